//! The steps that read the code without running it.

use crate::context::Context;
use crate::steps::Done;

/// Crates that the library without its features must not depend on: no framework, no database.
const NOT_IN_CORE: [&str; 12] = [
    "actix-web",
    "axum",
    "axum-core",
    "http",
    "hyper",
    "mongodb",
    "redis",
    "rusqlite",
    "tokio-postgres",
    "tower",
    "tower-layer",
    "tower-service",
];

/// Refuses a file that `cargo fmt` would write otherwise.
pub(crate) fn fmt(context: &Context) -> Result<Done, String> {
    context.require(&mut context.cargo("fmt --all --check -- --color never"))?;
    Ok(Done::default())
}

/// Refuses every warning of the lints that the workspace's manifest names.
pub(crate) fn clippy(context: &Context) -> Result<Done, String> {
    let words = "clippy --workspace --all-targets --all-features -- -D warnings";
    context.require(&mut context.cargo(words))?;
    Ok(Done::default())
}

/// Compiles the library without features and the command with its own, and looks at what it depends on then.
pub(crate) fn core(context: &Context) -> Result<Done, String> {
    let words = "clippy -p cloakroom --no-default-features -- -D warnings";
    context.require(&mut context.cargo(words))?;
    // The build of a first trial.
    let words = "clippy -p cloakroom-cli -- -D warnings";
    context.require(&mut context.cargo(words))?;
    let words = "tree -p cloakroom --no-default-features -e normal --prefix none --format {p}";
    let tree = context.require(&mut context.cargo(words))?;
    match intruders(&tree).join(", ").as_str() {
        "" => Ok(Done::default()),
        names => Err(format!("without features, the library needs {names}")),
    }
}

/// Compiles the library with each feature by itself, and names all that do not stand alone.
pub(crate) fn features(context: &Context) -> Result<Done, String> {
    let mut errors = Vec::new();
    for feature in &context.features {
        let words =
            format!("clippy -p cloakroom --no-default-features -F {feature} -- -D warnings");
        if let Err(error) = context.require(&mut context.cargo(&words)) {
            errors.push(format!("{error}\n(feature {feature} alone)"));
        }
    }
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let note = format!("      {}", context.features.join(", "));
    Ok(Done {
        note,
        ..Done::default()
    })
}

/// Writes the documentation, and refuses a link that leads nowhere.
pub(crate) fn docs(context: &Context) -> Result<Done, String> {
    let mut command = context.cargo("doc --no-deps --workspace --all-features");
    context.require(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Done::default())
}

/// The packages in a listing of `cargo tree`, one `name version` a line, that do not belong there.
fn intruders(tree: &str) -> Vec<&str> {
    let mut found: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| NOT_IN_CORE.contains(name))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_in_the_core_is_found() {
        assert!(intruders("cloakroom v0.1.0 (/r)\nhttparse v1.0.0\ntokio v1.54.0").is_empty());
        let tree = "cloakroom v0.1.0\nhttp v1.4.0\nbytes v1.11.0\naxum v0.8.9\nhttp v1.4.0 (*)";
        assert_eq!(intruders(tree), ["axum", "http"]);
    }
}
