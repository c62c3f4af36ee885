//! The contenders: a table, and the programs behind it.

use crate::route::Route;

/// A server with one kind of store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    /// The name in every table, which `--only` matches.
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    pub(crate) program: Program,
    /// The first word of the program's command line.
    pub(crate) kind: &'static str,
    pub(crate) backing: Backing,
}

/// The groups within which contenders are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Floor,
    Process,
    Sqlite,
    Redis,
    Postgres,
}

/// The store of the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    Nothing,
    Sqlite,
    Redis,
    Postgres,
}

/// The program that is built and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Bare,
    Cloakroom,
    TowerSessions,
    AxumSession,
    ActixSession,
    Express,
}

/// The baseline of all others.
pub(crate) const BARE: &str = "bare axum";
/// The same program once more: the noise of the machine.
pub(crate) const AGAIN: &str = "bare axum, again";

#[rustfmt::skip]
const TABLE: [(&str, Family, Program, &str, Backing); 22] = [
    (BARE,                       Family::Floor,    Program::Bare,          "",         Backing::Nothing),
    (AGAIN,                      Family::Floor,    Program::Bare,          "",         Backing::Nothing),
    ("bare actix-web",           Family::Floor,    Program::ActixSession,  "bare",     Backing::Nothing),
    ("bare express",             Family::Floor,    Program::Express,       "bare",     Backing::Nothing),
    ("cloakroom memory",         Family::Process,  Program::Cloakroom,     "memory",   Backing::Nothing),
    ("tower-sessions memory",    Family::Process,  Program::TowerSessions, "memory",   Backing::Nothing),
    ("tower-sessions signed",    Family::Process,  Program::TowerSessions, "signed",   Backing::Nothing),
    ("actix-session cookie",     Family::Process,  Program::ActixSession,  "cookie",   Backing::Nothing),
    ("axum_session memory",      Family::Process,  Program::AxumSession,   "memory",   Backing::Nothing),
    ("express-session memory",   Family::Process,  Program::Express,       "memory",   Backing::Nothing),
    ("cloakroom sqlite",         Family::Sqlite,   Program::Cloakroom,     "sqlite",   Backing::Sqlite),
    ("tower-sessions sqlite",    Family::Sqlite,   Program::TowerSessions, "sqlite",   Backing::Sqlite),
    ("cloakroom redis",          Family::Redis,    Program::Cloakroom,     "redis",    Backing::Redis),
    ("cloakroom redis near",     Family::Redis,    Program::Cloakroom,     "near",     Backing::Redis),
    ("tower-sessions redis",     Family::Redis,    Program::TowerSessions, "redis",    Backing::Redis),
    ("actix-session redis",      Family::Redis,    Program::ActixSession,  "redis",    Backing::Redis),
    ("axum_session redis",       Family::Redis,    Program::AxumSession,   "redis",    Backing::Redis),
    ("express-session redis",    Family::Redis,    Program::Express,       "redis",    Backing::Redis),
    ("cloakroom postgres",       Family::Postgres, Program::Cloakroom,     "postgres", Backing::Postgres),
    ("tower-sessions postgres",  Family::Postgres, Program::TowerSessions, "postgres", Backing::Postgres),
    ("axum_session postgres",    Family::Postgres, Program::AxumSession,   "postgres", Backing::Postgres),
    ("express-session postgres", Family::Postgres, Program::Express,       "postgres", Backing::Postgres),
];

/// Returns all contenders.
pub(crate) fn all() -> Vec<Contender> {
    let contender = |&(name, family, program, kind, backing)| Contender {
        name,
        family,
        program,
        kind,
        backing,
    };
    TABLE.iter().map(contender).collect()
}

/// Returns the contenders whose name has one of the texts in it, and axum itself; all where there is no text.
pub(crate) fn chosen(only: &[String]) -> Vec<Contender> {
    let is_chosen = |contender: &Contender| {
        only.is_empty()
            || contender.name == BARE
            || only.iter().any(|text| contender.name.contains(text))
    };
    all().into_iter().filter(is_chosen).collect()
}

/// Returns the baseline.
pub(crate) fn bare() -> Contender {
    let mut all = all().into_iter();
    all.find(|who| who.name == BARE)
        .expect("it is in the table")
}

/// Returns the names of a family's peers.
pub(crate) fn peers(family: Family) -> Vec<&'static str> {
    let peers = all().into_iter();
    let peers = peers.filter(|who| who.family == family && !who.is_ours());
    peers.map(|who| who.name).collect()
}

impl Contender {
    pub(crate) fn is_ours(&self) -> bool {
        self.program == Program::Cloakroom
    }

    /// Returns `true` if it has sessions at all: one that has none answers every visitor the same.
    pub(crate) fn has_sessions(&self) -> bool {
        self.family != Family::Floor
    }

    /// Returns `true` if sessions lie in the server's own memory.
    pub(crate) fn keeps_in_process(&self) -> bool {
        self.family == Family::Process && self.kind != "cookie"
    }

    /// Returns `true` if it has a route beside its session layer and one inside that does not ask for a session; those
    /// with a database have the same layer.
    pub(crate) fn shows_layer(&self) -> bool {
        self.family == Family::Process && self.program != Program::Express
    }

    /// Returns the number of requests of one measurement: about a second of them.
    pub(crate) fn requests(&self, route: Route) -> usize {
        let writes = matches!(route, Route::Bump | Route::Login);
        match (self.program, self.backing) {
            (Program::Express, _) | (_, Backing::Postgres) => 3_000,
            (_, Backing::Nothing) => 40_000,
            (_, Backing::Sqlite) if writes => 3_000,
            (_, Backing::Sqlite | Backing::Redis) => 16_000,
        }
    }
}

impl Family {
    pub(crate) const ALL: [Self; 5] = [
        Self::Floor,
        Self::Process,
        Self::Sqlite,
        Self::Redis,
        Self::Postgres,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Floor => "no sessions",
            Self::Process => "in the process",
            Self::Sqlite => "SQLite",
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl Program {
    pub(crate) const ALL: [Self; 6] = [
        Self::Bare,
        Self::Cloakroom,
        Self::TowerSessions,
        Self::AxumSession,
        Self::ActixSession,
        Self::Express,
    ];

    /// Returns its folder in `bench/`, which has the lock file.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Bare | Self::Cloakroom => "servers",
            Self::TowerSessions => "peers/tower-sessions",
            Self::AxumSession => "peers/axum_session",
            Self::ActixSession => "peers/actix-session",
            Self::Express => "peers/express-session",
        }
    }

    /// The file that Cargo makes; for Node, the one that it reads.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Cloakroom => "cloakroom",
            Self::TowerSessions => "bench-tower-sessions",
            Self::AxumSession => "bench-axum_session",
            Self::ActixSession => "bench-actix-session",
            Self::Express => "server.mjs",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let mut names: Vec<&str> = all().iter().map(|contender| contender.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn the_baseline_is_always_selected() {
        let names = |only: &[&str]| -> Vec<&str> {
            let only: Vec<String> = only.iter().map(|&text| text.into()).collect();
            chosen(&only)
                .iter()
                .map(|contender| contender.name)
                .collect()
        };
        assert_eq!(names(&["near"]), [BARE, "cloakroom redis near"]);
        assert_eq!(names(&["nobody"]), [BARE]);
        assert_eq!(names(&[]).len(), TABLE.len());
    }
}
