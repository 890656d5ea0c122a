//! Chores of this repository.
mod r#gen;
fn main() -> anyhow::Result<()> { r#gen::generate(std::path::Path::new("."), false) }
