//! All interleavings of a read and a change, by loom, which also finds the fault in each mutant.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU32, Ordering};
}

#[path = "versions.rs"]
#[expect(clippy::duplicate_mod, reason = "this one is made of loom's atomics")]
mod versions;

use versions::{Version, Versions};

/// The hash of the session; whether another shares its counter changes nothing.
const ID: u64 = 0;

/// A fault that is built into the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// The version is taken after the reply.
    StampsLate,
    /// A change is reported before it is made: an own write that invalidates only before it is sent.
    TellsEarly,
    /// A change is not reported, as with `NOLOOP`.
    TellsNothing,
    /// A change removes the copy that is there, and a read under way restores it.
    OnlyRemoves,
    /// Copies outlive the connection.
    NeverForgets,
    /// A new connection counts as proven before older copies are dropped.
    ProvenEarly,
    /// The connection is checked before the version is taken, and copies are dropped before the server
    /// reports.
    StampsWhenLost,
}

/// One process's cache, the store, and the connection between the two.
struct World {
    mutant: Mutant,
    server: Mutex<ModelServer>,
    stamps: Versions,
    copy: Mutex<Option<(Version, u32)>>,
    /// `true` while the connection counts as proven alive.
    proven: AtomicBool,
    /// `true` once a change was made and, if it is reported, reported.
    changed: AtomicBool,
}

/// The server, which executes one request after the other.
struct ModelServer {
    stored: u32,
    /// `true` if it reports changes.
    tells: bool,
}

impl World {
    fn new(mutant: Mutant) -> Self {
        Self {
            mutant,
            server: Mutex::new(ModelServer {
                stored: 1,
                tells: true,
            }),
            stamps: Versions::new(1),
            copy: Mutex::new(None),
            proven: AtomicBool::new(true),
            changed: AtomicBool::new(false),
        }
    }

    fn read(&self) {
        let early_proof = self.proven.load(Ordering::SeqCst);
        let stamp = self.stamps.take(ID);
        let proven = match self.mutant {
            Mutant::StampsWhenLost => early_proof,
            _ => self.proven.load(Ordering::SeqCst),
        };
        let read = self.server.lock().unwrap().stored;
        let stamp = match self.mutant {
            Mutant::StampsLate => self.stamps.take(ID),
            _ => stamp,
        };
        // A read without a subscription is not kept for longer than it was true.
        if proven {
            *self.copy.lock().unwrap() = Some((stamp, read));
        }
    }

    fn get(&self) -> Option<u32> {
        let copy = *self.copy.lock().unwrap();
        let proven = self.proven.load(Ordering::SeqCst);
        let (stamp, read) = copy.filter(|_| proven)?;
        let is_current = self.mutant == Mutant::OnlyRemoves || self.stamps.is_current(stamp);
        is_current.then_some(read)
    }

    fn change(&self) {
        if self.mutant == Mutant::TellsEarly {
            self.tell();
        }
        let tells = {
            let mut server = self.server.lock().unwrap();
            server.stored = 2;
            server.tells
        };
        if tells && self.mutant != Mutant::TellsEarly {
            self.tell();
        }
        self.changed.store(true, Ordering::SeqCst);
    }

    fn tell(&self) {
        match self.mutant {
            Mutant::TellsNothing => {}
            Mutant::OnlyRemoves => *self.copy.lock().unwrap() = None,
            _ => self.stamps.changed(ID),
        }
    }

    /// Loses the connection, and makes another.
    fn reconnect(&self) {
        self.lose();
        if self.mutant == Mutant::StampsWhenLost {
            self.forget();
        }
        self.server.lock().unwrap().tells = true;
        match self.mutant {
            Mutant::ProvenEarly => {
                self.proven.store(true, Ordering::SeqCst);
                self.forget();
            }
            Mutant::StampsWhenLost => self.proven.store(true, Ordering::SeqCst),
            _ => {
                self.forget();
                self.proven.store(true, Ordering::SeqCst);
            }
        }
    }

    fn lose(&self) {
        self.proven.store(false, Ordering::SeqCst);
        self.server.lock().unwrap().tells = false;
    }

    fn forget(&self) {
        if self.mutant != Mutant::NeverForgets {
            self.stamps.clear();
        }
    }

    /// Fails if the old value is served after the change was reported.
    fn is_not_stale(&self) {
        if self.changed.load(Ordering::SeqCst) {
            assert_ne!(self.get(), Some(1));
        }
    }
}

fn explore(mutant: Mutant, scenario: fn(&Arc<World>)) {
    let mut model = Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || scenario(&Arc::new(World::new(mutant))));
}

/// Races a read, and a use of its copy, against a change of the session.
fn read_meets_change(world: &Arc<World>) {
    let (reading, changing) = (Arc::clone(world), Arc::clone(world));
    let read = thread::spawn(move || {
        reading.read();
        reading.is_not_stale();
    });
    let change = thread::spawn(move || changing.change());
    read.join().unwrap();
    change.join().unwrap();
    world.is_not_stale();
}

/// Races a read against the loss and renewal of the connection. No message reports a change that came in
/// between: it counts from the time of the new connection.
fn read_meets_reconnect(world: &Arc<World>) {
    let (reading, linking) = (Arc::clone(world), Arc::clone(world));
    let read = thread::spawn(move || reading.read());
    let link = thread::spawn(move || {
        linking.lose();
        linking.change();
        linking.reconnect();
    });
    world.is_not_stale();
    read.join().unwrap();
    link.join().unwrap();
    world.is_not_stale();
}

/// Races a change by another process against the renewal of the connection.
fn change_meets_reconnect(world: &Arc<World>) {
    let (changing, linking) = (Arc::clone(world), Arc::clone(world));
    let change = thread::spawn(move || changing.change());
    let link = thread::spawn(move || linking.reconnect());
    world.read();
    change.join().unwrap();
    link.join().unwrap();
    world.is_not_stale();
}

fn is_caught(mutant: Mutant, scenario: fn(&Arc<World>)) -> bool {
    catch_unwind(AssertUnwindSafe(|| explore(mutant, scenario))).is_err()
}

#[test]
fn invalidated_copy_is_never_served_again() {
    explore(Mutant::None, read_meets_change);
}

#[test]
fn copies_of_a_lost_connection_are_dropped_before_the_next_counts_as_proven() {
    explore(Mutant::None, read_meets_reconnect);
    explore(Mutant::None, change_meets_reconnect);
}

#[test]
fn mutants_of_invalidation_are_caught() {
    use Mutant::{OnlyRemoves, StampsLate, TellsEarly, TellsNothing};
    for mutant in [StampsLate, TellsEarly, TellsNothing, OnlyRemoves] {
        assert!(is_caught(mutant, read_meets_change), "{mutant:?}");
    }
}

#[test]
fn mutants_of_reconnecting_are_caught() {
    use Mutant::{NeverForgets, ProvenEarly, StampsWhenLost};
    for mutant in [NeverForgets, ProvenEarly, StampsWhenLost] {
        let caught =
            is_caught(mutant, read_meets_reconnect) || is_caught(mutant, change_meets_reconnect);
        assert!(caught, "{mutant:?}");
    }
}
