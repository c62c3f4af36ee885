//! `cloakroom completions` and `cloakroom man`: made from the definitions of the command line.

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use clap_mangen::Man;

use crate::output;
use crate::problem::Problem;

/// The flags of `cloakroom completions`.
#[derive(clap::Args)]
pub(crate) struct CompletionsOptions {
    /// Shell to write them for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The flags of `cloakroom man`.
#[derive(clap::Args)]
pub(crate) struct ManOptions {
    /// Directory to write a page for each subcommand into; without it the first page goes to standard output
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the completions of a shell to standard output.
pub(crate) fn completions(
    options: &CompletionsOptions,
    mut cli: clap::Command,
) -> Result<(), Problem> {
    output::print_bytes(&script(options.shell, &mut cli))
}

fn script(shell: Shell, cli: &mut clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, cli, "cloakroom", &mut script);
    script
}

/// Writes the man pages.
pub(crate) fn man(options: &ManOptions, cli: clap::Command) -> Result<(), Problem> {
    match &options.dir {
        None => output::print_bytes(&page(cli)?),
        Some(dir) => write_pages(dir, cli),
    }
}

fn write_pages(dir: &Path, cli: clap::Command) -> Result<(), Problem> {
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(cli, dir));
    written.map_err(|error| {
        Problem::failed(format!(
            "{} cannot be written ({error}): choose another directory",
            dir.display()
        ))
    })
}

fn page(command: clap::Command) -> Result<Vec<u8>, Problem> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| Problem::failed(format!("the page cannot be written: {error}")))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::script;

    #[test]
    fn every_shell_completes_every_subcommand() {
        for shell in Shell::value_variants() {
            let script = script(*shell, &mut crate::cli::definition());
            let script = String::from_utf8(script).unwrap();
            for word in [
                "demo",
                "explain",
                "verify",
                "policy",
                "sign",
                "completions",
                "secret-file",
            ] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn every_subcommand_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        super::write_pages(&dir.path().join("new"), crate::cli::definition()).unwrap();
        for name in [
            "cloakroom",
            "cloakroom-demo",
            "cloakroom-cookie-explain",
            "cloakroom-man",
        ] {
            let page = dir.path().join(format!("new/{name}.1"));
            let page = std::fs::read_to_string(page).unwrap();
            assert!(page.contains(".TH") && page.contains("SH NAME"), "{name}");
        }
        assert!(
            super::write_pages(
                std::path::Path::new("/dev/null/x"),
                crate::cli::definition()
            )
            .is_err()
        );
    }
}
