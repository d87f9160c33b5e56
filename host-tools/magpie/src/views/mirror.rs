//! What a wrongly set mirror port hides, in the words that screen and summary
//! share.

use magpie_collector::Mirror;

use super::text::{percent, thousands};

/// Parts of the row `MIRROR`.
pub(super) struct Words {
    /// Of TCP octets, behind `unseen`: `>=0.41%`, or `?` where there was no TCP.
    pub(super) unseen: String,
    /// What that means.
    pub(super) meaning: &'static str,
    /// `one-way 2.0%`
    pub(super) one_way: String,
    /// `tags symmetric`, or in how many flows they differ.
    pub(super) tags: String,
    /// `dup 50.00%`, where doubles are looked for.
    pub(super) dup: Option<String>,
}

impl Words {
    pub(super) fn of(mirror: &Mirror) -> Self {
        let (unseen, meaning) = if mirror.unseen.whole > 0 {
            (mirror.unseen.at_least(), "(acked, never seen)")
        } else {
            ("?".to_owned(), "(no TCP)")
        };
        let share = percent(mirror.one_way(), mirror.keys);
        let sign = if share == "-" { "" } else { "%" };
        Self {
            unseen,
            meaning,
            one_way: format!("one-way {share}{sign}"),
            tags: match mirror.tag_asym() {
                0 => "tags symmetric".to_owned(),
                n => format!("tags differ in {} flows", thousands(n)),
            },
            dup: mirror.doubled.map(|dup| format!("dup {dup}")),
        }
    }
}
