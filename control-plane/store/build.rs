//! Builds again when a migration is added: the macro that embeds them sees only those that are there.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
