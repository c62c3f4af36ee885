//! A connection in between, which counts round trips and fails when it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Forwards a port of its own to another.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    trips: AtomicU64,
    /// Nothing passes back to the client: answers are lost, requests are not.
    deaf: AtomicBool,
    cut: AtomicBool,
}

impl Proxy {
    /// In front of the server at `port`.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                if state.cut.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    forward(client, server, state);
                }
            }
        });
        Self { port: own, state }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client asked something after it had read all answers, since this was last asked:
    /// what goes out together is one round trip.
    pub fn take_trips(&self) -> u64 {
        self.state.trips.swap(0, Ordering::SeqCst)
    }

    /// From now on requests arrive and answers do not.
    pub fn lose_answers(&self, lose: bool) {
        self.state.deaf.store(lose, Ordering::SeqCst);
    }

    /// Ends all connections, and takes no more while `cut`.
    pub fn cut(&self, cut: bool) {
        self.state.cut.store(cut, Ordering::SeqCst);
    }
}

fn forward(client: TcpStream, server: TcpStream, state: Arc<State>) {
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
    }
    // Set where the server spoke last: what the client says next begins a round trip.
    let turn = Arc::new(AtomicBool::new(true));
    let (to_client, to_server) = (client.try_clone(), server.try_clone());
    let (Ok(to_client), Ok(to_server)) = (to_client, to_server) else {
        return;
    };
    let (asking, answering) = (Arc::clone(&state), state);
    let (asks, answers) = (Arc::clone(&turn), turn);
    thread::spawn(move || {
        pump(client, to_server, &asking, |state| {
            if asks.swap(false, Ordering::SeqCst) {
                state.trips.fetch_add(1, Ordering::SeqCst);
            }
            true
        });
    });
    thread::spawn(move || {
        pump(server, to_client, &answering, |state| {
            answers.store(true, Ordering::SeqCst);
            !state.deaf.load(Ordering::SeqCst)
        });
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &State, passes: impl Fn(&State) -> bool) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if is_timeout(&error) && !state.cut.load(Ordering::SeqCst) => continue,
            Err(_) => break,
        };
        if passes(state) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}
