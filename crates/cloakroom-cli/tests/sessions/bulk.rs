//! Stores that are filled with many sessions, every other one as Express writes it and as this library does.

use std::io::{BufWriter, Write as _};
use std::process::{Command, Stdio};

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, NewRecord, Store as _};
use cloakroom::{SessionId, Timestamp};
use futures_util::{StreamExt as _, stream};
use mongodb::bson::{DateTime, doc};
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use testbed::{Directory, Mongo, Postgres, Proxy, Redis};

use crate::now;

/// Milliseconds that a session lives.
const LIFE: i64 = 12 * 3_600_000;
/// Sessions of each user.
pub(crate) const OF_A_USER: u64 = 5;
/// The settings of a PostgreSQL that keeps its data, as for the other figures of `bench/SCALE.md`.
const DURABLE: [&str; 8] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "wal_level=replica",
    "autovacuum=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
];

/// A store with many sessions, behind what counts its round trips.
pub(crate) struct Bulk {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) proxy: Option<Proxy>,
    /// The store's name with its version.
    pub(crate) version: String,
    _server: Server,
}

/// The options that go with the store.
#[expect(dead_code, reason = "it is dropped, and nothing else")]
enum Server {
    File(Directory),
    Redis(Redis),
    Postgres(Postgres),
    Mongo(Mongo),
}

/// A record of this number; every tenth is of one group, and five follow each other for each user.
fn text(number: u64) -> String {
    let user = number / OF_A_USER;
    let cookie = r#""cookie":{"originalMaxAge":43200000,"expires":"2031-01-01T00:00:00.000Z","httpOnly":true,"path":"/"}"#;
    let data = format!(
        r#""userId":"user-{user}","group":{},"cart":["apple","pear"]"#,
        number % 10
    );
    if number.is_multiple_of(2) {
        return format!("{{{cookie},{data}}}");
    }
    let created = now() - 7_200_000;
    format!(
        r#"{{{cookie},{data},"_ck":{{"created":{created},"deadline":{},"login":{created},"device":{{"handle":"d{number}","agent":"Mozilla/5.0 Firefox/140.0"}}}}}}"#,
        created + 86_400_000
    )
}

fn id(number: u64) -> String {
    let digest = Sha256::digest(number.to_be_bytes());
    let number: [u8; 16] = digest[..16].try_into().unwrap();
    format!("{:032x}", u128::from_be_bytes(number))
}

fn entry(number: u64) -> NewRecord {
    let text = text(number);
    NewRecord {
        users: UserKeys::default().users_of(&text),
        text: text.into(),
        expires: Timestamp::from_millis(now() + LIFE),
    }
}

async fn connect(url: &str) -> AnyStore {
    let store = AnyStore::connect(url).await.unwrap();
    store.set_user_keys(&UserKeys::default());
    store
}

/// Stores sessions through the library.
async fn create(store: &AnyStore, numbers: impl Iterator<Item = u64>) {
    let creating = stream::iter(numbers).for_each_concurrent(512, |number| async move {
        let id = SessionId::from_store(&id(number));
        store.create(&id, &entry(number)).await.unwrap();
    });
    creating.await;
}

impl Bulk {
    pub(crate) async fn sqlite(count: u64) -> Self {
        let directory = testbed::directory();
        let file = directory.join("sessions.db");
        let url = format!("sqlite:{}", file.display());
        drop(connect(&url).await);
        let mut connection = Connection::open(&file).unwrap();
        let writing = connection.transaction().unwrap();
        for number in 0..count {
            let insert = "INSERT INTO cloakroom_sessions (sid, record, expires, user) VALUES (?1, ?2, ?3, ?4)";
            let entry = entry(number);
            let columns = params![
                id(number),
                &*entry.text,
                entry.expires.as_millis(),
                entry.users[0]
            ];
            writing
                .prepare_cached(insert)
                .unwrap()
                .execute(columns)
                .unwrap();
        }
        writing.commit().unwrap();
        let version = format!("SQLite {}", rusqlite::version());
        Self::new("SQLite", url, None, version, Server::File(directory))
    }

    pub(crate) async fn redis(count: u64) -> Self {
        let redis = Redis::start();
        let store = connect(&redis.url()).await;
        create(&store, (0..count).filter(|number| number % 2 == 1)).await;
        let mut pipe = Command::new("redis-cli")
            .args(["-p", &redis.port().to_string(), "--pipe"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufWriter::new(pipe.stdin.take().unwrap());
        for number in (0..count).step_by(2) {
            let (key, text, life) = (format!("sess:{}", id(number)), text(number), LIFE / 1000);
            let life = life.to_string();
            write!(out, "*5\r\n").unwrap();
            for word in ["SET", &key, &text, "EX", &life] {
                write!(out, "${}\r\n{word}\r\n", word.len()).unwrap();
            }
        }
        drop(out);
        assert!(pipe.wait().unwrap().success());
        let proxy = Proxy::to(redis.port());
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let version = version_of("redis-server", "v=");
        Self::new("Redis", url, Some(proxy), version, Server::Redis(redis))
    }

    pub(crate) async fn postgres(count: u64) -> Self {
        let postgres = Postgres::start(&DURABLE);
        drop(connect(&postgres.url()).await);
        let (express, own) = (sql(&text(0)), sql(&text(1)));
        let statement = format!(
            "INSERT INTO session (sid, sess, expire) SELECT md5(n::text), \
             (CASE WHEN n % 2 = 0 THEN {express} ELSE {own} END)::json, now() + interval '12 hours' \
             FROM generate_series(0, {}) AS n",
            count - 1
        );
        postgres.query(&statement);
        postgres.query("VACUUM ANALYZE session");
        let proxy = Proxy::to(postgres.port());
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
        let version = version_of("psql", ") ");
        let server = Server::Postgres(postgres);
        Self::new("PostgreSQL", url, Some(proxy), version, server)
    }

    pub(crate) async fn mongodb(count: u64) -> Self {
        let mongo = Mongo::start();
        drop(connect(&mongo.url("sessions")).await);
        let client = mongodb::Client::with_uri_str(mongo.url("sessions"))
            .await
            .unwrap();
        let sessions = client.database("sessions").collection("sessions");
        let expires = DateTime::from_millis(now() + LIFE);
        let numbers: Vec<u64> = (0..count).collect();
        for some in numbers.chunks(2_000) {
            let documents = some.iter().map(
                |&number| doc! { "_id": id(number), "expires": expires, "session": text(number) },
            );
            sessions
                .insert_many(documents.collect::<Vec<_>>())
                .await
                .unwrap();
        }
        let proxy = Proxy::to(mongo.port());
        let url = mongo
            .url("sessions")
            .replace(&mongo.port().to_string(), &proxy.port().to_string());
        let version = "SecantusDB, which speaks MongoDB's protocol".to_owned();
        Self::new(
            "MongoDB's protocol",
            url,
            Some(proxy),
            version,
            Server::Mongo(mongo),
        )
    }

    fn new(
        name: &'static str,
        url: String,
        proxy: Option<Proxy>,
        version: String,
        server: Server,
    ) -> Self {
        Self {
            name,
            url,
            proxy,
            version,
            _server: server,
        }
    }

    /// Round trips since the last such call; `None` where there is no server.
    pub(crate) fn trips(&self) -> Option<u64> {
        self.proxy.as_ref().map(Proxy::take_trips)
    }
}

/// A record as an expression of SQL of the number `n`, from the record of number 0 or 1.
fn sql(text: &str) -> String {
    let user = format!("' || n / {OF_A_USER} || '");
    let text = text
        .replace("user-0", &format!("user-{user}"))
        .replace(r#""group":0"#, r#""group":' || n % 10 || '"#)
        .replace(r#""group":1"#, r#""group":' || n % 10 || '"#)
        .replace(r#""handle":"d1""#, r#""handle":"d' || n || '""#);
    format!("'{text}'")
}

fn version_of(program: &str, before: &str) -> String {
    let ran = Command::new(program).arg("--version").output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let version = said
        .split_once(before)
        .and_then(|(_, rest)| rest.split_whitespace().next());
    let name = if program == "psql" {
        "PostgreSQL"
    } else {
        "Redis"
    };
    format!("{name} {}", version.unwrap_or("unknown"))
}
