//! Link flags of the proof image.

fn main() {
    println!("cargo:rerun-if-changed=proof.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-T{here}/proof.ld");
        println!("cargo:rustc-link-arg-bins=--gc-sections");
    }
}
