//! In front of servers that answer client tracking with `OK` and report nothing, and of one that refuses it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use testbed::Redis;
use tokio::time::sleep;

use super::super::NearStore;
use super::fake::entry;
use crate::id::SessionId;
use crate::store::Store;
use crate::store::redis::RedisStore;

/// Prefix of each invalidation message.
const PUSH: &[u8] = b">2\r\n$10\r\ninvalidate\r\n";

/// Starts a proxy that passes on everything but invalidations.
fn mute(port: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            let (asks, answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(asks, server, <[u8]>::to_vec));
            thread::spawn(move || pass(answers, client, without_pushes));
        }
    });
    own
}

fn pass(mut from: TcpStream, mut to: TcpStream, edit: impl Fn(&[u8]) -> Vec<u8>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&edit(&buffer[..length])).is_err() {
            return;
        }
    }
}

/// Removes the pushes. Messages of this test are short, and arrive whole.
fn without_pushes(bytes: &[u8]) -> Vec<u8> {
    let Some(at) = bytes.windows(PUSH.len()).position(|window| window == PUSH) else {
        return bytes.to_vec();
    };
    let rest = &bytes[at + PUSH.len()..];
    let text = String::from_utf8_lossy(rest).into_owned();
    let mut lines = text.split_inclusive("\r\n");
    let count = lines.next().unwrap_or_default();
    let keys: usize = count.trim_start_matches('*').trim().parse().unwrap_or(0);
    let taken: usize = lines.take(2 * keys).map(str::len).sum();
    let mut kept = bytes[..at].to_vec();
    kept.extend(without_pushes(&rest[count.len() + taken..]));
    kept
}

/// Checks that a session is refused within the bound, by a cache that has no subscription.
async fn holds_the_bound(near: NearStore, writer: RedisStore) {
    let id = SessionId::random();
    writer.create(&id, &entry(1)).await.unwrap();
    // Long enough for several attempts to subscribe.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2500) {
        assert!(near.get(&id).await.unwrap().is_some());
        assert_eq!(near.stats().staleness, None, "a link that tells nothing");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(near.stats().hits > 0, "for the bound a copy is good");
    writer.destroy(&id).await.unwrap();
    let ended = Instant::now();
    loop {
        let asked = Instant::now();
        if near.get(&id).await.unwrap().is_none() {
            break;
        }
        let late = asked.saturating_duration_since(ended);
        assert!(late <= Duration::from_secs(1), "{late:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracking_that_reports_nothing_is_not_trusted() {
    let redis = Redis::start();
    let url = format!("redis://127.0.0.1:{}", mute(redis.port()));
    let near = NearStore::new(RedisStore::connect(&url).await.unwrap());
    holds_the_bound(near, RedisStore::connect(&redis.url()).await.unwrap()).await;
}

/// Returns a cache of a user with the rights of a store, and those of `more`.
async fn of_a_user(redis: &Redis, more: &[&str]) -> NearStore {
    let mut words = vec!["ACL", "SETUSER", "few", "on", ">secret"];
    words.extend(["~sess:*", "~user:*", "~tomb:*"]);
    words.extend(["+@read", "+@write", "+@scripting"]);
    words.extend(more);
    redis.command(&words);
    let url = format!("redis://few:secret@127.0.0.1:{}", redis.port());
    NearStore::new(RedisStore::connect(&url).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_without_tracking_rights_gets_the_staleness_bound() {
    let redis = Redis::start();
    let near = of_a_user(&redis, &[]).await;
    holds_the_bound(near, RedisStore::connect(&redis.url()).await.unwrap()).await;
}

/// The rights that the manual names are enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_with_tracking_rights_gets_a_subscription() {
    let redis = Redis::start();
    let near = of_a_user(&redis, &["+client|tracking", "+ping"]).await;
    let begin = Instant::now();
    while near.stats().staleness.is_none() {
        near.get(&SessionId::random()).await.unwrap();
        assert!(begin.elapsed() < Duration::from_mins(1), "no subscription");
        sleep(Duration::from_millis(10)).await;
    }
}
