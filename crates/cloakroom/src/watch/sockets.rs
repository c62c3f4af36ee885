//! Limits on the open sockets of a session and of a client's address, in this process.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

#[cfg(feature = "ws")]
use tokio::sync::watch;

use crate::id::SessionId;
use crate::util::lock;

/// The most open sockets of one session and of one client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketLimits {
    pub(crate) per_session: usize,
    pub(crate) per_address: usize,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketLimit {
    Session,
    Address,
}

/// The open sockets of this process.
#[derive(Default)]
pub(crate) struct Sockets {
    open: Mutex<OpenCounts>,
    /// `true` if all are to be closed, because the server shuts down.
    #[cfg(feature = "ws")]
    closing: watch::Sender<bool>,
}

/// The notice to a socket that its server shuts down; while it lives, the shutdown waits for it.
#[cfg(feature = "ws")]
pub(crate) struct ShutDown(watch::Receiver<bool>);

#[derive(Default)]
struct OpenCounts {
    of_session: HashMap<SessionId, usize>,
    of_address: HashMap<IpAddr, usize>,
}

/// An open socket, counted until it is dropped.
pub(crate) struct SocketPermit {
    sockets: Arc<Sockets>,
    session: Option<SessionId>,
    address: Option<IpAddr>,
}

impl Sockets {
    /// Counts one more socket of a session that is stored and of an address that is known.
    pub(crate) fn admit(
        self: &Arc<Self>,
        session: Option<SessionId>,
        address: Option<IpAddr>,
        limits: SocketLimits,
    ) -> Result<SocketPermit, SocketLimit> {
        let address = address.map(network);
        let mut open = self.lock();
        if is_full(&open.of_session, session.as_ref(), limits.per_session) {
            return Err(SocketLimit::Session);
        }
        if is_full(&open.of_address, address.as_ref(), limits.per_address) {
            return Err(SocketLimit::Address);
        }
        let permit = SocketPermit {
            sockets: Arc::clone(self),
            session: session.clone(),
            address,
        };
        if let Some(session) = session {
            *open.of_session.entry(session).or_default() += 1;
        }
        if let Some(address) = address {
            *open.of_address.entry(address).or_default() += 1;
        }
        Ok(permit)
    }

    fn lock(&self) -> MutexGuard<'_, OpenCounts> {
        lock(&self.open)
    }

    /// Closes all sockets, and those that are still opened, and waits until they are closed.
    #[cfg(feature = "ws")]
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        self.closing.closed().await;
    }
}

#[cfg(feature = "ws")]
impl SocketPermit {
    /// Returns the notice of the server's shutdown.
    pub(crate) fn shut_down(&self) -> ShutDown {
        ShutDown(self.sockets.closing.subscribe())
    }
}

#[cfg(feature = "ws")]
impl ShutDown {
    /// Waits until the server shuts down; for ever where that cannot be signalled any more.
    pub(crate) async fn begins(&mut self) {
        if self.0.wait_for(|is_closing| *is_closing).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for SocketPermit {
    fn drop(&mut self) {
        let mut open = self.sockets.lock();
        leave(&mut open.of_session, self.session.as_ref());
        leave(&mut open.of_address, self.address.as_ref());
    }
}

fn is_full<K: Eq + Hash>(open: &HashMap<K, usize>, key: Option<&K>, most: usize) -> bool {
    key.is_some_and(|key| open.get(key).copied().unwrap_or(0) >= most)
}

fn leave<K: Eq + Hash>(open: &mut HashMap<K, usize>, key: Option<&K>) {
    let Some(key) = key else { return };
    if let Some(count) = open.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            open.remove(key);
        }
    }
}

/// Returns the network that stands for one client: an IPv6 subscriber has one of 64 bits (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use super::{SocketLimit, SocketLimits, Sockets, network};
    use crate::id::SessionId;

    const LIMITS: SocketLimits = SocketLimits {
        per_session: 2,
        per_address: 3,
    };

    #[test]
    fn x3_sockets_are_bounded_per_session_and_per_address() {
        let sockets = Arc::new(Sockets::default());
        let session = || Some(SessionId::from_store("a"));
        let here: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        let there: Option<IpAddr> = Some("192.0.2.2".parse().unwrap());
        let first = sockets.admit(session(), here, LIMITS).ok().unwrap();
        let second = sockets.admit(session(), there, LIMITS).ok().unwrap();
        let refused = |session, address| sockets.admit(session, address, LIMITS).err();
        assert_eq!(refused(session(), here), Some(SocketLimit::Session));
        drop(first);
        let more: Vec<_> = (0..3)
            .map(|_| sockets.admit(None, here, LIMITS).ok().unwrap())
            .collect();
        assert_eq!(refused(None, here), Some(SocketLimit::Address));
        assert_eq!(refused(session(), here), Some(SocketLimit::Address));
        assert_eq!(refused(None, None), None, "an address that is not known");
        drop((more, second));
        let open = sockets.lock();
        assert!(open.of_session.is_empty() && open.of_address.is_empty());
    }

    #[test]
    fn x3_a_subscribers_network_is_one_address() {
        #[rustfmt::skip]
        let table = [
            ("192.0.2.1",             "192.0.2.1"),
            ("::ffff:192.0.2.1",      "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6",  "2001:db8:1:2::"),
            ("2001:db8:1:2::1",       "2001:db8:1:2::"),
            ("2001:db8:1:3::1",       "2001:db8:1:3::"),
        ];
        for (address, expected) in table {
            let expected: IpAddr = expected.parse().unwrap();
            assert_eq!(network(address.parse().unwrap()), expected, "{address}");
        }
    }
}
