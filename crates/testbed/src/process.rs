//! A server as a child process that outlives neither its owner nor this process.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;

type Spawn = Box<dyn FnOnce() + Send>;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program`; what it prints goes into `log`.
    pub fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
        directory: &Path,
        user: Option<&str>,
    ) -> Self {
        assert!(
            program.is_absolute() && program.exists() || program.components().count() == 1,
            "{} is missing: `cargo xtask test` installs it",
            program.display()
        );
        // The kernel ends a child when the thread that started it ends: one thread starts them all.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = user {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(directory.join("log"))
            .expect("a log can be written");
        command
            .arg(program)
            .args(arguments.into_iter().map(Into::into))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file has two handles"))
            .stderr(log);
        let child = on_the_spawner(move || command.spawn());
        Self {
            child: child.expect("setpriv is part of Debian's util-linux"),
        }
    }

    /// Sends a signal by its name: `STOP`, `CONT`, `KILL`, `TERM`. After `STOP` the process stands still: on a
    /// busy machine one of its threads may run on for a moment.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is there").success(), "kill -{name}");
        for _ in 0..1000 {
            if name != "STOP" || self.stands_still() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it runs on after kill -{name}");
    }

    /// Returns `true` if each of its threads is stopped, or it is gone.
    fn stands_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let is_stopped = |thread: fs::DirEntry| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state comes after the name, which may hold anything.
            let state = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.chars().next());
            matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
        };
        threads.map_or(true, |threads| threads.flatten().all(is_stopped))
    }

    /// Ends the server as a crash does, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Returns its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn on_the_spawner(spawn: impl FnOnce() -> io::Result<Child> + Send + 'static) -> io::Result<Child> {
    static SPAWNER: LazyLock<Mutex<Sender<Spawn>>> = LazyLock::new(|| {
        let (sender, jobs) = channel::<Spawn>();
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        Mutex::new(sender)
    });
    let (done, spawned) = channel();
    let job: Spawn = Box::new(move || {
        let _ = done.send(spawn());
    });
    SPAWNER
        .lock()
        .expect("nothing panics with it")
        .send(job)
        .expect("the spawner never ends");
    spawned.recv().expect("the spawner answers")
}

/// A port that is free now, and not one that the system hands out to clients meanwhile.
pub fn free_port() -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().expect("nothing panics with it");
    loop {
        // Tests run at the same time in several processes: each begins elsewhere.
        let spread = u16::try_from(std::process::id() % 1000).expect("below 1000");
        let port = 10_000 + (spread * 20 + *next) % 20_000;
        *next += 1;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
