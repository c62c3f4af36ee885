//! The banner of the started shop: its address, its accounts, how to stop it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::accounts::SEEDS;
use super::options::Options;
use super::secret::Origin;
use crate::output::Style;

/// Writes it to standard output.
pub(super) fn print(options: &Options, listener: &TcpListener, store: &str, origin: &Origin) {
    let addr = listener.local_addr().unwrap_or(options.addr);
    let store = if options.store.is_none() {
        format!("{} (SQLite)", options.database().display())
    } else {
        store.to_owned()
    };
    let text = text(Style::of_stdout(), addr, &store, origin);
    // A demo whose output is closed goes on serving.
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}

fn text(style: Style, addr: SocketAddr, store: &str, origin: &Origin) -> String {
    let mut text = format!(
        "\n  {}  a shop that keeps your coat\n\n",
        style.bold("cloakroom demo")
    );
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {}{value}", style.dim(&format!("{label:<10}")));
    };
    line("open", &style.bold(&format!("http://{addr}")));
    for (seed, label) in SEEDS.iter().zip(["accounts", ""]) {
        let account = format!("{:<6} {}", seed.name, seed.password);
        line(label, &format!("{account:<27} {}", seed.roles.join(", ")));
    }
    line("sessions", store);
    line("secret", &whence(origin));
    let _ = write!(text, "\n  {}\n\n", style.dim(&advice(addr, origin)));
    text
}

fn whence(origin: &Origin) -> String {
    match origin {
        Origin::Given => "as given".to_owned(),
        Origin::Passing => "drawn for this run".to_owned(),
        Origin::Drawn(path) => format!("drawn now and kept in {}", path.display()),
        Origin::Kept(path) => format!("from {}", path.display()),
    }
}

fn advice(addr: SocketAddr, origin: &Origin) -> String {
    if !addr.ip().is_loopback() {
        return "Others on your network can reach it, and these passwords are public. Ctrl-C stops it."
            .to_owned();
    }
    match origin {
        Origin::Passing => "Ctrl-C stops it, and the sessions end with it.".to_owned(),
        _ => "Ctrl-C stops it; start it again, and everybody is still signed in.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, Style, text};

    #[test]
    fn it_names_the_address_and_the_accounts() {
        let addr = "127.0.0.1:3000".parse().unwrap();
        let text = text(Style::Plain, addr, "memory", &Origin::Passing);
        for part in ["http://127.0.0.1:3000", "ada ", "grace ", "Ctrl-C"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_shop_open_to_others_says_so() {
        let addr = "0.0.0.0:3000".parse().unwrap();
        let text = text(Style::Plain, addr, "memory", &Origin::Given);
        assert!(text.contains("passwords are public"), "{text}");
    }
}
