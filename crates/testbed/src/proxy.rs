//! A TCP proxy that counts round trips and fails on demand.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Interval at which a connection checks if it has to end or to go on.
const TICK: Duration = Duration::from_millis(20);
/// Number of bytes of a client's first message that are remembered.
const BEGINNING: usize = 2048;

/// Forwards a port of its own to another.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    trips: AtomicU64,
    /// Round trips that began while no other was under way.
    waits: AtomicU64,
    /// Number of connections with a request that was not answered yet.
    asking: AtomicUsize,
    /// `true` while replies are discarded and requests are not.
    deaf: AtomicBool,
    cut: AtomicBool,
    /// `true` while replies are held back; then all of them pass.
    frozen: AtomicBool,
    /// Least delay of replies, in milliseconds.
    late: AtomicU64,
    /// Text in the first message of the affected clients; empty: all are.
    concerned: Mutex<String>,
}

impl Proxy {
    /// Starts a proxy in front of the server at `port`.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                if state.is_cut(&Said::default()) {
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

    /// Returns the number of requests sent after all replies were read, since the last such call: requests
    /// that are sent together are one round trip.
    pub fn take_trips(&self) -> u64 {
        self.state.trips.swap(0, Ordering::SeqCst)
    }

    /// Returns the number of waits since the last such call: round trips that overlap, on several
    /// connections, are one wait.
    pub fn take_waits(&self) -> u64 {
        self.state.waits.swap(0, Ordering::SeqCst)
    }

    /// Discards replies from now on; requests still arrive.
    pub fn lose_answers(&self, lose: bool) {
        self.state.deaf.store(lose, Ordering::SeqCst);
    }

    /// Holds replies back for as long as it is set; requests still arrive, as on a network that stalls and
    /// recovers.
    pub fn freeze(&self, freeze: bool) {
        self.state.frozen.store(freeze, Ordering::SeqCst);
    }

    /// Ends all connections, and takes no more while `cut`.
    pub fn cut(&self, cut: bool) {
        self.state.cut.store(cut, Ordering::SeqCst);
    }

    /// Delays replies from now on by so much, and up to twice that.
    pub fn delay(&self, late: Duration) {
        let millis = u64::try_from(late.as_millis()).expect("a short time");
        self.state.late.store(millis, Ordering::SeqCst);
    }

    /// Restricts faults to the connections whose client has this text among its first messages: a user's
    /// name, a command. An empty text restricts them no more.
    pub fn only(&self, text: &str) {
        let mut concerned = self.state.concerned.lock().expect("nothing panics with it");
        text.clone_into(&mut concerned);
    }
}

/// The first message of a client.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn hear(&self, bytes: &[u8]) {
        let mut said = self.0.lock().expect("nothing panics with it");
        let room = BEGINNING.saturating_sub(said.len()).min(bytes.len());
        said.extend_from_slice(&bytes[..room]);
    }

    fn has(&self, text: &str) -> bool {
        let said = self.0.lock().expect("nothing panics with it");
        text.is_empty() || said.windows(text.len()).any(|at| at == text.as_bytes())
    }
}

impl State {
    fn concerns(&self, said: &Said) -> bool {
        let concerned = self.concerned.lock().expect("nothing panics with it");
        said.has(&concerned)
    }

    fn is_cut(&self, said: &Said) -> bool {
        self.cut.load(Ordering::SeqCst) && self.concerns(said)
    }

    fn begins_trip(&self) {
        self.trips.fetch_add(1, Ordering::SeqCst);
        if self.asking.fetch_add(1, Ordering::SeqCst) == 0 {
            self.waits.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Returns `true` if a reply passes, after its delay.
    fn passes(&self, said: &Said) -> bool {
        while self.frozen.load(Ordering::SeqCst) && self.concerns(said) && !self.is_cut(said) {
            thread::sleep(TICK);
        }
        let late = self.late.load(Ordering::SeqCst);
        if late > 0 && self.concerns(said) {
            thread::sleep(Duration::from_millis(late));
        }
        !self.deaf.load(Ordering::SeqCst) || !self.concerns(said)
    }
}

fn forward(client: TcpStream, server: TcpStream, state: Arc<State>) {
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(TICK));
    }
    // Set where the server spoke last: what the client says next begins a round trip.
    let turn = Arc::new(AtomicBool::new(true));
    let (to_client, to_server) = (client.try_clone(), server.try_clone());
    let (Ok(to_client), Ok(to_server)) = (to_client, to_server) else {
        return;
    };
    let (asking, answering) = (Arc::clone(&state), state);
    let (asks, answers) = (Arc::clone(&turn), turn);
    let said = Said::default();
    let heard = said.clone();
    thread::spawn(move || {
        pump(client, to_server, &asking, &said, |bytes| {
            said.hear(bytes);
            if asks.swap(false, Ordering::SeqCst) {
                asking.begins_trip();
            }
            true
        });
    });
    thread::spawn(move || {
        pump(server, to_client, &answering, &heard, |_| {
            if !answers.swap(true, Ordering::SeqCst) {
                answering.asking.fetch_sub(1, Ordering::SeqCst);
            }
            answering.passes(&heard)
        });
        if !answers.swap(true, Ordering::SeqCst) {
            answering.asking.fetch_sub(1, Ordering::SeqCst);
        }
    });
}

fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    state: &State,
    said: &Said,
    passes: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = [0; 16 * 1024];
    while !state.is_cut(said) {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if is_timeout(&error) => continue,
            Err(_) => break,
        };
        // It may have been cut while this was read, or held back.
        let passes = passes(&buffer[..length]);
        if state.is_cut(said) || passes && to.write_all(&buffer[..length]).is_err() {
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
