//! An unavailable store ends no watch, and is polled once it is back.

use std::time::{Duration, Instant};

use cloakroom::watch::EndReason;
use testbed::{Mongo, Postgres, Proxy, Redis, RedisOptions, Sentinels, Server};

use super::{BEGUN, LIMIT, Node, lives, told, user};

/// Stops or ends a server, lets it come back, and then ends the session.
async fn survive(mut server: Box<dyn Server>, killed: bool) {
    let (here, there) = Node::pair(&server.url()).await;
    let cookie = here.sign_in(&user()).await;
    let mut ended = here.open(&cookie).await.ended();
    lives("before", &mut ended, BEGUN).await;
    if killed {
        server.kill();
    } else {
        server.signal("STOP");
    }
    lives("while it is away", &mut ended, Duration::from_secs(3)).await;
    let server = tokio::task::spawn_blocking(move || {
        if killed {
            server.restart();
        } else {
            server.signal("CONT");
        }
        server
    });
    let _server = server.await.unwrap();
    lives("when it is back", &mut ended, Duration::from_secs(2)).await;
    there.open(&cookie).await.logout().await.unwrap();
    assert_eq!(
        told("after the outage", ended, Instant::now()).await,
        EndReason::Ended
    );
}

fn durable() -> Redis {
    Redis::with(RedisOptions {
        durable: true,
        ..RedisOptions::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_redis_that_is_stopped() {
    survive(Box::new(durable()), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_redis_that_is_killed() {
    survive(Box::new(durable()), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_postgres_that_is_stopped() {
    survive(Box::new(Postgres::start(&[])), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_postgres_that_is_killed() {
    survive(Box::new(Postgres::start(&[])), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_mongodb_that_is_stopped() {
    survive(Box::new(Mongo::start()), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_mongodb_that_is_killed() {
    survive(Box::new(Mongo::start()), true).await;
}

/// The replies of a server are held back from one of two; it is notified of ends once they arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_behind_a_frozen_connection_is_notified_when_it_recovers() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.port());
    let here = Node::new(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    let there = Node::new(&redis.url()).await;
    let (ending, staying) = (here.sign_in(&user()).await, here.sign_in(&user()).await);
    let mut ended = here.open(&ending).await.ended();
    let mut stays = here.open(&staying).await.ended();
    lives("before", &mut ended, BEGUN).await;
    proxy.lose_answers(true);
    there.open(&ending).await.logout().await.unwrap();
    lives("frozen", &mut ended, Duration::from_secs(2)).await;
    proxy.lose_answers(false);
    let pace = testbed::pace();
    let end = tokio::time::timeout(LIMIT, ended)
        .await
        .expect("it is told");
    eprintln!("thawed: told after {} ms", pace.took().as_millis());
    assert!(pace.is_within(Duration::from_secs(4)), "{pace}");
    assert_eq!(end, EndReason::Ended);
    lives("the other", &mut stays, BEGUN).await;
}

/// A primary that the sentinels replace keeps running for ten seconds, without notifications.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_at_a_new_primary_is_notified_before_the_old_one_stops() {
    let mut sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let here = Node::new(&sentinels.url()).await;
    let cookie = here.sign_in(&user()).await;
    let mut ended = here.open(&cookie).await.ended();
    lives("before", &mut ended, BEGUN).await;
    let [old, new] = [0, 1].map(|at| sentinels.servers()[at].port().to_string());
    assert!(sentinels.fail_over().starts_with("+OK"));
    let begin = Instant::now();
    while !sentinels.all_name(&new) {
        assert!(begin.elapsed() < LIMIT, "no other primary");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let there = Node::new(&sentinels.url()).await;
    there.open(&cookie).await.logout().await.unwrap();
    let end = told("at another primary", ended, Instant::now()).await;
    assert_eq!(end, EndReason::Ended);
    let role = sentinels.servers()[0].command(&["ROLE"]);
    assert!(role.contains("master"), "the control: {old} is told later");
}
