//! Captures through emulated boards: a real image, its network card, its
//! serial line. Left out of a plain `cargo test`, which says so: they need
//! QEMU and images. `cargo verify` runs them, or
//!
//! ```text
//! cargo xtask build --all
//! cargo xtask build --all --cfg magpie_forget_one --suffix forget
//! cargo xtask build qemu-mps2-an386 --cfg magpie_ends --suffix ends
//! cargo xtask build qemu-mps2-an386 --cfg magpie_no_payload --suffix no-payload
//! cargo xtask build qemu-mps2-an386 qemu-lm3s6965evb --speak
//! cargo xtask build qemu-mps2-an386 --speak --address 10.99.0.2/24 --host 10.99.0.1:4739 --suffix static
//! cargo test --release -p magpie-tests --test qemu -- --ignored
//! ```

/// Declares each scenario as a test of every board, left out unless asked for.
macro_rules! on_each_board {
    ($($scenario:ident),+ $(,)?) => {
        mod mps2_an386 {
            $(#[test]
            #[ignore = "needs QEMU and images: cargo verify runs it"]
            fn $scenario() {
                super::$scenario(magpie_tests::boards::ready("mps2-an386"));
            })+
        }
        mod lm3s6965evb {
            $(#[test]
            #[ignore = "needs QEMU and images: cargo verify runs it"]
            fn $scenario() {
                super::$scenario(magpie_tests::boards::ready("lm3s6965evb"));
            })+
        }
    };
}

mod capture;
mod captures;
mod clock;
mod drift;
mod ends;
mod faults;
mod flood;
mod host;
mod line;
mod port;
mod program;
mod silence;
mod soak;
mod traffic;
mod udp;
mod udp_fallback;
mod udp_soak;
