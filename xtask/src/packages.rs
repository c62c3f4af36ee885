//! The packages that the tests start programs of: Debian's, and PyPI's where Debian has none.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::context::Context;
use crate::steps::Done;

/// A package, and the program that it is needed for.
#[derive(Debug)]
struct Package {
    name: &'static str,
    program: &'static str,
}

#[rustfmt::skip]
const NEEDED: [Package; 16] = [
    Package { name: "apache2",        program: "/usr/sbin/apache2" },
    Package { name: "caddy",          program: "/usr/bin/caddy" },
    Package { name: "chromium",       program: "/usr/bin/chromium" },
    Package { name: "faketime",       program: "/usr/bin/faketime" },
    Package { name: "haproxy",        program: "/usr/sbin/haproxy" },
    Package { name: "lua-socket",     program: "/usr/share/lua/5.3/socket.lua" },
    Package { name: "nginx-light",    program: "/usr/sbin/nginx" },
    Package { name: "openssl",        program: "/usr/bin/openssl" },
    Package { name: "pgbouncer",      program: "/usr/sbin/pgbouncer" },
    Package { name: "postgresql",     program: "/usr/lib/postgresql" },
    Package { name: "procps",         program: "/bin/kill" },
    Package { name: "prometheus",     program: "/usr/bin/promtool" },
    Package { name: "redis-server",   program: "/usr/bin/redis-server" },
    Package { name: "redis-sentinel", program: "/usr/bin/redis-sentinel" },
    Package { name: "strace",         program: "/usr/bin/strace" },
    Package { name: "valgrind",       program: "/usr/bin/valgrind" },
];

/// Servers that Debian does not have.
const REQUIREMENTS: &str = "interop/requirements.txt";

/// Installs what is missing; asks for nothing where nothing is.
pub(crate) fn install(context: &Context) -> Result<Done, String> {
    let mut missing: Vec<&str> = NEEDED
        .iter()
        .filter(|package| !Path::new(package.program).exists())
        .map(|package| package.name)
        .collect();
    // Debian's own Python comes without what makes environments.
    let makes_environments = context.run(
        context
            .command("python3")
            .args(["-c", "import ensurepip, venv"]),
    );
    if !makes_environments.is_ok_and(|finished| finished.success) {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(Done::default());
    }
    let missing = missing.join(" ");
    let before = privilege().ok_or_else(|| {
        format!("run once as root: apt-get update && apt-get install -y {missing}")
    })?;
    for words in [
        "update".to_owned(),
        format!("install -y --no-install-recommends {missing}"),
    ] {
        let line = format!("{before}env DEBIAN_FRONTEND=noninteractive apt-get -q {words}");
        let mut words = line.split_whitespace();
        let program = words.next().expect("it begins with sudo or env");
        context.require(context.command(program).args(words))?;
    }
    Ok(Done {
        note: format!("      installed {missing}"),
        ..Done::default()
    })
}

/// Makes an environment of Python in `target/tools/python`, with what the requirements name.
pub(crate) fn python(context: &Context) -> Result<Done, String> {
    let environment = context.root.join("target/tools/python");
    let wanted = read(&context.root.join(REQUIREMENTS))?;
    let installed = environment.join("requirements.txt");
    if read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(Done::default());
    }
    let mut create = context.command("python3");
    create.args(["-m", "venv", "--clear"]).arg(&environment);
    context
        .require(&mut create)
        .map_err(|error| format!("{error}\npython3 with its venv module is needed"))?;
    let mut install = context.command(environment.join("bin/pip"));
    install.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        REQUIREMENTS,
    ]);
    context.require(&mut install)?;
    std::fs::write(&installed, wanted).map_err(|error| error.to_string())?;
    Ok(Done::default())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Returns the prefix of commands that only root may run; `None` if there is none.
fn privilege() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some("");
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .any(|folder| folder.join("sudo").exists())
        .then_some("sudo ")
}
