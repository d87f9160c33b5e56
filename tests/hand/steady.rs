//! Comparisons on a machine that does other things, too.
//!
//! Who is given no processor for a while gives answers up that are under way, or
//! sees them in another order, be it a program, a kernel or a router of ours. That
//! befalls anybody now and then; a fault shows each time. So a look at a path
//! counts if the reference agrees with itself and with how the path is drawn, and
//! ours is wrong if it then differs twice. Each look that is not the last is told.

use std::fmt::Debug;

/// So often a path is looked at.
const LOOKS: usize = 5;
/// So often ours alone may differ.
const CHANCES: usize = 1;

/// What programs say of a path in the same seconds.
pub(crate) struct Look<T, M = ()> {
    /// The reference, at least once.
    pub(crate) theirs: Vec<T>,
    /// Ours.
    pub(crate) ours: Vec<T>,
    /// What only ours says.
    pub(crate) more: M,
}

/// Holds ours against the reference; what only ours says.
pub(crate) fn beside<T: PartialEq + Debug, M>(
    what: &str,
    is_as_drawn: impl Fn(&T) -> bool,
    look: impl Fn() -> Look<T, M>,
) -> M {
    let tell = |why| println!("{what}: looks again, for {why}");
    compare(is_as_drawn, look, tell).unwrap_or_else(|why| panic!("{what}: {why}"))
}

fn compare<T: PartialEq + Debug, M>(
    is_as_drawn: impl Fn(&T) -> bool,
    look: impl Fn() -> Look<T, M>,
    tell: impl Fn(String),
) -> Result<M, String> {
    let mut chances = CHANCES;
    for _ in 0..LOOKS {
        let Look { theirs, ours, more } = look();
        let first = theirs.first().ok_or("no reference")?;
        if !is_as_drawn(first) || theirs.iter().any(|again| again != first) {
            tell(format!("the reference is disturbed: {theirs:?}"));
            continue;
        }
        let Some(other) = ours.iter().find(|our| *our != first) else {
            return Ok(more);
        };
        let differs = format!("ours differs:\n  ours {other:?}\ntheirs {first:?}");
        if chances == 0 {
            return Err(differs);
        }
        chances -= 1;
        tell(differs);
    }
    Err(format!(
        "in {LOOKS} looks the reference did not agree with itself and the drawing"
    ))
}

/// Holds what one program sees of a path against the drawing.
pub(crate) fn seen<T: PartialEq + Debug>(what: &str, drawn: &T, look: impl Fn() -> T) {
    let tell = |sight: &T| println!("{what}: looks again, for it saw {sight:?}");
    watch(drawn, look, tell).unwrap_or_else(|why| panic!("{what}: {why}"));
}

fn watch<T: PartialEq + Debug>(
    drawn: &T,
    look: impl Fn() -> T,
    tell: impl Fn(&T),
) -> Result<(), String> {
    let mut sight = look();
    for _ in 1..LOOKS {
        if sight == *drawn {
            return Ok(());
        }
        tell(&sight);
        sight = look();
    }
    if sight == *drawn {
        return Ok(());
    }
    Err(format!("at last\n seen {sight:?}\ndrawn {drawn:?}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{Look, compare, watch};

    /// Looks one after the other: the reference twice, and ours.
    fn looks(all: &[[u8; 3]]) -> Result<u8, String> {
        let all = RefCell::new(all.iter());
        compare(
            |theirs| *theirs != 9,
            || {
                let [before, ours, after] = *all.borrow_mut().next().expect("a look");
                Look {
                    theirs: vec![before, after],
                    ours: vec![ours],
                    more: ours,
                }
            },
            drop,
        )
    }

    #[test]
    fn a_disturbed_reference_does_not_count() {
        assert_eq!(looks(&[[1, 1, 2], [9, 9, 9], [3, 3, 3]]), Ok(3));
        assert!(looks(&[[1, 1, 2]; 5]).is_err());
    }

    #[test]
    fn ours_may_differ_once() {
        assert_eq!(looks(&[[1, 2, 1], [1, 1, 1]]), Ok(1));
        assert!(looks(&[[1, 2, 1], [1, 3, 1]]).is_err());
    }

    #[test]
    fn another_drawing_is_wrong() {
        let sights = RefCell::new(1..);
        let look = || sights.borrow_mut().next().expect("one more");
        assert_eq!(watch(&5, look, |_| ()), Ok(()));
        assert!(watch(&5, look, |_| ()).is_err());
    }
}
