use super::*;

fn said(query: &str) -> ParsedUrl {
    let url = format!("postgres://u:p@h/d?{query}");
    read(&url).unwrap_or_else(|fault| panic!("{query}: {fault}"))
}

#[test]
fn x11_a_mode_is_never_weaker_than_the_url_says() {
    use TlsMode::{Off, Preferred, Required};
    #[rustfmt::skip]
    let table = [
        ("",                                         None),
        ("sslmode=disable",                          Some(Off)),
        ("uselibpqcompat=true&sslmode=disable",      Some(Off)),
        ("ssl=false",                                Some(Off)),
        ("ssl=0",                                    Some(Off)),
        ("sslmode=allow",                            Some(Preferred)),
        ("sslmode=prefer",                           Some(Preferred)),
        ("sslmode=require",                          Some(Required)),
        ("sslmode=verify-ca",                        Some(Required)),
        ("sslmode=verify-full",                      Some(Required)),
        ("ssl=true",                                 Some(Required)),
        ("ssl=1",                                    Some(Required)),
        ("sslmode=require&ssl=false",                Some(Required)),
        ("sslmode=disable&sslmode=prefer",           Some(Preferred)),
        ("uselibpqcompat=true&sslmode=require",      Some(Required)),
    ];
    for (query, tls) in table {
        assert_eq!(said(query).tls, tls, "{query}");
    }
    assert_eq!(read("host=h user=u").unwrap().tls, None);
    assert_eq!(read("host=h sslmode=prefer").unwrap().tls, Some(Preferred));
    assert_eq!(read("host=h sslmode=require").unwrap().tls, Some(Required));
}

#[test]
fn x12_other_programs_parameters_are_heeded_or_ignored_by_name() {
    assert_eq!(said("max=20").pool_size, Some(20));
    assert_eq!(said("connection_limit=3").pool_size, Some(3));
    let second = Duration::from_secs(1);
    let timeout = said("connectionTimeoutMillis=1000");
    assert_eq!(timeout.config.get_connect_timeout(), Some(&second));
    let options = said("statement_timeout=5000&lock_timeout=1s&options=-c%20geqo=off");
    let options = options.config.get_options().map(str::to_owned);
    let expected = "-c geqo=off -c statement_timeout=5000 -c lock_timeout=1s";
    assert_eq!(options.as_deref(), Some(expected));
    let named = said("fallback_application_name=my%20app");
    assert_eq!(named.config.get_application_name(), Some("my app"));
    let named = said("fallback_application_name=a&application_name=b");
    assert_eq!(named.config.get_application_name(), Some("b"));
    let roots = said("sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem").roots;
    assert_eq!(roots, Some("/etc/ca.pem".into()));
    assert_eq!(said("sslmode=verify-full&sslrootcert=system").roots, None);
    let prisma = said("schema=public&pgbouncer=true&connection_limit=1&pool_timeout=0");
    assert_eq!(prisma.aside, ["schema", "pgbouncer", "pool_timeout"]);
    let node = said(
        "client_encoding=UTF8&keepAlive=true&idleTimeoutMillis=1&target_session_attrs=primary",
    );
    assert_eq!(node.aside, ["keepAlive", "idleTimeoutMillis"]);
    for name in ASIDE {
        assert_eq!(said(&format!("{name}=x")).aside, [name]);
    }
    let plain = said("connect_timeout=3&application_name=a&");
    assert!(plain.aside.is_empty() && plain.pool_size.is_none());
}

#[test]
fn x12_invalid_parameter_is_named_without_its_value() {
    #[rustfmt::skip]
    let table = [
        ("postgres://u:p@h/d?unheard=hunter2",            "a parameter unheard that"),
        ("postgres://u:p@h/d?sslmode=hunter2",            "sslmode does not do: write disable"),
        ("postgres://u:p@h/d?sslmode=no-verify",          "sslmode does not do: certificates are always"),
        ("postgres://u:p@h/d?ssl=no-verify",              "ssl does not do: certificates are always"),
        ("postgres://u:p@h/d?max=hunter2",                "max does not do"),
        ("postgres://u:p@h/d?max=0",                      "max does not do"),
        ("postgres://u:p@h/d?connectionTimeoutMillis=-1", "connectionTimeoutMillis does not do"),
        ("postgres://u:p@h/d?statement_timeout=1%20-c",   "statement_timeout does not do"),
        ("postgres://u:p@h/d?client_encoding=hunter2",    "client_encoding does not do"),
        ("postgres://u:p@h/d?target_session_attrs=standby", "target_session_attrs does not do"),
        ("postgres://u:p@h/d?connect_timeout=hunter2",    "this is no URL"),
        ("postgres://u:p@h/d?hunter2%20=1",               "this is no URL"),
        ("postgres://u:p@ss?hunter2=x@h/d",               "this is no URL"),
        ("postgres://u:hunter2@h:hunter2/d",              "this is no URL"),
        ("hunter2",                                       "this is no URL"),
    ];
    for (url, expected) in table {
        let fault = read(url).unwrap_err();
        let text = fault.to_string();
        assert_eq!(fault.kind, StoreErrorKind::Invalid);
        assert!(
            text.contains(expected) && !text.contains("hunter2"),
            "{url}: {text}"
        );
    }
    let password = read("postgres://u:p?a=b@h/d?max=2").unwrap();
    assert_eq!(password.config.get_password(), Some(&b"p?a=b"[..]));
}
