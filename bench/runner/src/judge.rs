//! The performance goals of cloakroom, checked against the figures.

use crate::contenders::{self, BARE, Family};
use crate::findings::{CPU, Findings, RATE};
use crate::route::Route;
use crate::stats::{Spread, count, figure};

/// A goal and its result.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) promise: String,
    pub(crate) figure: String,
    /// `None` where it was not measured.
    pub(crate) holds: Option<bool>,
}

/// A figure with the most, or the least, that it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    Most(f64),
    Least(f64),
}

impl Verdict {
    pub(crate) fn word(&self) -> &'static str {
        match self.holds {
            Some(true) => "holds",
            Some(false) => "misses",
            None => "not measured",
        }
    }

    /// Compares one figure with its bound.
    pub(crate) fn of(promise: &str, found: Option<f64>, bound: Bound) -> Self {
        let holds = found.map(|found| match bound {
            Bound::Most(most) => found <= most,
            Bound::Least(least) => found >= least,
        });
        Self {
            promise: promise.to_owned(),
            figure: found.map_or("–".to_owned(), count),
            holds,
        }
    }
}

/// Returns the verdicts on all goals that were measured.
pub(crate) fn judge(findings: &Findings) -> Vec<Verdict> {
    let mut verdicts = in_process(findings);
    verdicts.extend(redis(findings));
    verdicts.extend(postgres(findings));
    verdicts
}

fn in_process(findings: &Findings) -> Vec<Verdict> {
    let ours = "cloakroom memory";
    let to_express = findings.compare(ours, "express-session memory", Route::Me, CPU);
    let to_express = Spread::of(&to_express).map(|ratio| 1.0 / ratio.median);
    let mut verdicts = vec![
        at_most(findings, ours, Route::Me, 1.25, "GET /me in memory"),
        below(findings, ours, Family::Process, Route::Me),
        Verdict::of(
            "GET /me in memory: express-session takes at least 25 times the CPU",
            to_express,
            Bound::Least(25.0),
        ),
        at_most(findings, ours, Route::Login, 1.9, "POST /login in memory"),
    ];
    let signed = [Route::Bump, Route::Login].map(|route| {
        below_all(
            findings,
            ours,
            "in the process",
            "signed peer",
            &SIGNED,
            route,
        )
    });
    verdicts.extend(signed);
    verdicts.extend(layer(findings, ours));
    verdicts.push(below(
        findings,
        "cloakroom sqlite",
        Family::Sqlite,
        Route::Login,
    ));
    verdicts
}

/// Checks what the layer costs a visitor whose handler does not ask for a session.
fn layer(findings: &Findings, ours: &str) -> [Verdict; 2] {
    let own = Spread::of(&findings.layer(ours)).map(|own| own.median);
    let peers = contenders::peers(Family::Process).into_iter();
    let costs = peers.filter_map(|peer| Spread::of(&findings.layer(peer)));
    let least = costs.map(|cost| cost.median).min_by(f64::total_cmp);
    [
        Verdict::of(
            "a handler that does not ask for its session takes at most 1.1 times the CPU that it takes outside the layer",
            own,
            Bound::Most(1.1),
        ),
        Verdict::of(
            "that is at most the quotient of every peer's layer; against the least of them",
            own.zip(least).map(|(own, least)| own / least),
            Bound::Most(1.0),
        ),
    ]
}

/// The peers in the process whose cookies are signed.
const SIGNED: [&str; 3] = [
    "tower-sessions signed",
    "actix-session cookie",
    "express-session memory",
];

fn redis(findings: &Findings) -> Vec<Verdict> {
    let (ours, near) = ("cloakroom redis", "cloakroom redis near");
    let trips = |name, route| findings.trips.get(&(name, route)).copied();
    let many = findings.hits.iter().max_by_key(|(reads, _)| *reads);
    vec![
        at_most(findings, ours, Route::Me, 1.6, "GET /me on Redis"),
        Verdict::of(
            "GET /me on Redis takes 1 round trip",
            trips(ours, Route::Me),
            Bound::Most(1.0),
        ),
        at_most(
            findings,
            near,
            Route::Me,
            1.35,
            "GET /me on Redis with the near cache",
        ),
        Verdict::of(
            "POST /bump on Redis with the near cache takes at most 1.02 times the CPU of that without",
            Spread::of(&findings.compare(near, ours, Route::Bump, CPU)).map(|ratio| ratio.median),
            Bound::Most(1.02),
        ),
        Verdict::of(
            "GET /me on Redis with the near cache takes no round trip on a hit",
            trips(near, Route::Me),
            Bound::Most(0.0),
        ),
        Verdict::of(
            "the near cache hits at least 95 % of reads, a tenth of the sessions being changed",
            many.map(|(_, hits)| *hits),
            Bound::Least(95.0),
        ),
        Verdict::of(
            "POST /bump on Redis takes 2 round trips",
            trips(ours, Route::Bump),
            Bound::Most(2.0),
        ),
        below(findings, ours, Family::Redis, Route::Bump),
        below(findings, ours, Family::Redis, Route::Login),
    ]
}

fn postgres(findings: &Findings) -> Vec<Verdict> {
    let (ours, theirs) = ("cloakroom postgres", "tower-sessions postgres");
    let compared = |figure| {
        let ratios = findings.compare(ours, theirs, Route::Me, figure);
        Spread::of(&ratios).map(|ratio| ratio.median)
    };
    vec![
        Verdict::of(
            "GET /me on PostgreSQL takes 1 round trip",
            findings.trips.get(&(ours, Route::Me)).copied(),
            Bound::Most(1.0),
        ),
        Verdict::of(
            "GET /me on PostgreSQL writes no row",
            findings.rows_written.get(ours).copied(),
            Bound::Most(0.0),
        ),
        Verdict::of(
            "GET /me on PostgreSQL takes at most 0.5 times the CPU of tower-sessions with sqlx",
            compared(CPU),
            Bound::Most(0.5),
        ),
        Verdict::of(
            "GET /me on PostgreSQL is answered at least 2 times as often as with tower-sessions and sqlx",
            compared(RATE),
            Bound::Least(2.0),
        ),
        at_most(findings, ours, Route::Me, 1.6, "GET /me on PostgreSQL"),
        below(findings, ours, Family::Postgres, Route::Login),
    ]
}

/// Checks the CPU of a route against that of bare axum.
fn at_most(findings: &Findings, name: &str, route: Route, most: f64, what: &str) -> Verdict {
    let ratios = findings.compare(name, BARE, route, CPU);
    Verdict::of(
        &format!("{what} takes at most {most} times the CPU of bare axum"),
        Spread::of(&ratios).map(|ratio| ratio.median),
        Bound::Most(most),
    )
}

/// Checks that it takes less CPU than every peer of its family, in every round.
fn below(findings: &Findings, ours: &str, family: Family, route: Route) -> Verdict {
    let peers = contenders::peers(family);
    below_all(findings, ours, family.title(), "peer", &peers, route)
}

/// Checks that it takes less CPU than each of `peers`, in every round. A peer that was not measured cannot be
/// beaten, but one that was is enough for a miss.
fn below_all(
    findings: &Findings,
    ours: &str,
    place: &str,
    kind: &str,
    peers: &[&str],
    route: Route,
) -> Verdict {
    let rounds = findings.rounds.len();
    let highest = |&peer| {
        let ratios = findings.compare(ours, peer, route, CPU);
        let highest = Spread::of(&ratios)?.high;
        Some((highest, peer, ratios.len() == rounds))
    };
    let compared: Vec<_> = peers.iter().map(highest).collect();
    let is_whole = |ratio: &Option<_>| matches!(ratio, Some((_, _, true)));
    let is_whole = compared.iter().all(is_whole);
    let compared = compared.into_iter().flatten();
    let nearest = compared.max_by(|one, other| one.0.total_cmp(&other.0));
    Verdict {
        promise: format!(
            "{}, {place}, takes less CPU than with every {kind}, in every round",
            route.title()
        ),
        figure: nearest.map_or("–".to_owned(), |(ratio, peer, _)| {
            format!("at most {} times that of {peer}", figure(ratio))
        }),
        holds: match nearest {
            Some((ratio, ..)) if ratio >= 1.0 => Some(false),
            Some(_) if is_whole => Some(true),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::tests::invented;

    #[test]
    fn a_bound_is_kept_or_not() {
        #[rustfmt::skip]
        let table = [
            (Some(1.3),  Bound::Most(1.3),   "holds"),
            (Some(1.31), Bound::Most(1.3),   "misses"),
            (Some(95.0), Bound::Least(95.0), "holds"),
            (Some(94.9), Bound::Least(95.0), "misses"),
            (None,       Bound::Most(1.0),   "not measured"),
        ];
        for (found, bound, word) in table {
            assert_eq!(
                Verdict::of("", found, bound).word(),
                word,
                "{found:?} {bound:?}"
            );
        }
    }

    #[test]
    fn one_round_above_one_peer_is_a_miss() {
        let mut findings = invented();
        let promise = |findings: &Findings| judge(findings)[1].clone();
        assert_eq!(promise(&findings).word(), "holds");
        let peer = ("axum_session memory", Route::Me);
        findings.rounds[1].get_mut(&peer).unwrap().own.cpu = 1.0;
        let verdict = promise(&findings);
        assert_eq!(verdict.word(), "misses");
        assert!(
            verdict.figure.contains("axum_session"),
            "{}",
            verdict.figure
        );
    }

    #[test]
    fn a_missing_measurement_is_not_judged() {
        for verdict in judge(&Findings::default()) {
            assert_eq!(verdict.word(), "not measured", "{}", verdict.promise);
        }
    }
}
