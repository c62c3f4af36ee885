//! Files and requests, and which rule decides.

use http::Method;

use super::{Matched, Rules};
use crate::path::JudgedPath;

const SHOP: &str = r#"
login = "/login"

[[route]]
path = "/login"
public = true
methods = ["GET", "POST"]
cookie = "pass"

[[route]]
name = "home"
path = "/"
public = true

[[route]]
path = "/public/{*rest}"
public = true

[[route]]
path = "/admin/{*rest}"
require = { role = "admin" }

[[route]]
path = "/admin/help"
require = { role = ["admin", "staff"] }

[[route]]
name = "read reports"
path = "/reports/{id}"
methods = ["GET"]
require = { role = "staff" }

[[route]]
name = "write reports"
path = "/reports/{id}"
methods = ["PUT", "DELETE"]
require = { role = "admin", user = ["ada", "grace"] }

[[route]]
path = "/files/{name}.js"
public = true

[[route]]
path = "/a.*b/[0-9]+"
public = true
"#;

fn shop() -> Rules {
    Rules::parse(SHOP).unwrap()
}

/// Returns the names of the rules that decide, by `+`, or `-` where the method is not allowed.
fn decided(rules: &Rules, method: &str, path: &str) -> String {
    let path = JudgedPath::judge(path).unwrap();
    match rules.of(&path, &method.parse::<Method>().unwrap()) {
        Matched::NotAllowed { .. } => "-".to_owned(),
        Matched::Ruled(ruling) => {
            let names: Vec<&str> = ruling.rules.iter().map(|rule| rule.name()).collect();
            names.join("+")
        }
    }
}

#[test]
fn the_most_specific_path_decides() {
    let rules = shop();
    #[rustfmt::skip]
    let table = [
        ("GET",     "/",                   "home"),
        ("HEAD",    "/",                   "home"),
        ("POST",    "/",                   "default"),
        ("OPTIONS", "/",                   "default"),
        ("GET",     "/unknown",            "default"),
        ("GET",     "/public/a/b",         "/public/{*rest}"),
        ("GET",     "/public",             "/public/{*rest}"),
        ("GET",     "/public/",            "/public/{*rest}"),
        ("POST",    "/public/a",           "default"),
        ("GET",     "/publica",            "default"),
        ("GET",     "/admin",              "/admin/{*rest}"),
        ("GET",     "/admin/",             "/admin/{*rest}"),
        ("PATCH",   "/admin/x/y",          "/admin/{*rest}"),
        ("GET",     "/admin/help",         "/admin/help"),
        ("GET",     "/admin/help/",        "/admin/help"),
        ("GET",     "/admin/help/more",    "/admin/{*rest}"),
        ("GET",     "/adminx",             "default"),
        // A server that ignores case takes these for others: both rules have to hold.
        ("GET",     "/ADMIN",              "default+/admin/{*rest}"),
        ("GET",     "/Admin/x",            "default+/admin/{*rest}"),
        ("GET",     "/admin/HELP",         "/admin/{*rest}+/admin/help"),
        ("GET",     "/adm%C4%B1n",         "default+/admin/{*rest}"),
        ("GET",     "/PUBLIC/x",           "default+/public/{*rest}"),
        ("GET",     "/public/X",           "/public/{*rest}"),
        ("GET",     "/reports/7",          "read reports"),
        ("HEAD",    "/reports/7",          "read reports"),
        ("PUT",     "/reports/7",          "write reports"),
        ("DELETE",  "/reports/7",          "write reports"),
        // A rule for one method leaves no weaker one for the others.
        ("POST",    "/reports/7",          "-"),
        ("PROPFIND", "/reports/7",         "-"),
        ("POST",    "/REPORTS/7",          "-"),
        ("POST",    "/reports",            "default"),
        ("GET",     "/reports/7/x",        "default"),
        ("GET",     "/files/app.js",       "/files/{name}.js"),
        ("GET",     "/files/a/b.js",       "default"),
        ("GET",     "/files/app.jsx",      "default"),
        // What looks like a search is literal text.
        ("GET",     "/a.*b/[0-9]+",        "/a.*b/[0-9]+"),
        ("GET",     "/axxb/7",             "default"),
    ];
    for (method, path, expected) in table {
        assert_eq!(decided(&rules, method, path), expected, "{method} {path}");
    }
}

#[test]
fn every_rule_that_decides_has_to_hold() {
    let shop = shop();
    #[rustfmt::skip]
    let table: [(&str, &str, &str, &[&str], bool); 12] = [
        ("GET", "/admin",      "ada",   &["admin"],          true),
        ("GET", "/admin",      "ada",   &["staff"],          false),
        ("GET", "/admin",      "ada",   &[],                 false),
        ("GET", "/admin",      "ada",   &["Admin"],          false),
        ("GET", "/ADMIN",      "ada",   &[],                 false),
        ("GET", "/ADMIN",      "ada",   &["admin"],          true),
        ("GET", "/admin/help", "linus", &["staff"],          true),
        ("GET", "/admin/HELP", "linus", &["staff"],          false),
        ("PUT", "/reports/7",  "ada",   &["admin"],          true),
        ("PUT", "/reports/7",  "linus", &["admin"],          false),
        ("PUT", "/reports/7",  "ada",   &["staff"],          false),
        ("GET", "/other",      "linus", &[],                 true),
    ];
    for (method, path, user, roles, expected) in table {
        let judged = JudgedPath::judge(path).unwrap();
        let Matched::Ruled(ruling) = shop.of(&judged, &method.parse().unwrap()) else {
            panic!("{method} {path} is not allowed");
        };
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        assert_eq!(
            ruling.admits(user, &roles),
            expected,
            "{method} {path} {user} {roles:?}"
        );
    }
}

#[test]
fn a_public_rule_in_another_case_needs_a_login() {
    let rules = shop();
    for (path, is_public) in [("/public/x", true), ("/PUBLIC/x", false), ("/LOGIN", false)] {
        let judged = JudgedPath::judge(path).unwrap();
        let Matched::Ruled(ruling) = rules.of(&judged, &Method::GET) else {
            panic!("{path} is not allowed");
        };
        assert_eq!(ruling.is_public(), is_public, "{path}");
    }
}

#[test]
fn a_file_that_could_be_misread_is_refused_in_one_line() {
    #[rustfmt::skip]
    let table = [
        ("[[route]",                                                                 "line 1"),
        ("x = 1",                                                                    "unknown field `x`"),
        ("\n[[route]]\npath = \"/a\"\nrole = \"x\"",                                 "line 4: unknown field `role`"),
        ("[[route]]\npublic = true",                                                 "missing field `path`"),
        ("[[route]]\npath = \"/a\"\npublic = \"yes\"",                               "line 3"),
        ("[[route]]\npath = \"/a\"\nrequire = { roles = \"x\" }",                    "unknown field `roles`"),
        ("[[route]]\npath = \"/a\"\nrequire = {}",                                   "empty `require`"),
        ("[[route]]\npath = \"/a\"\nrequire = { role = [] }",                        "one of no names"),
        ("[[route]]\npath = \"/a\"\nrequire = { user = \"\" }",                      "one of no names"),
        ("[[route]]\npath = \"/a\"\npublic = true\nrequire = { role = \"x\" }",      "is public and requires"),
        ("[[route]]\npath = \"/a\"\nmethods = []",                                   "for no method"),
        ("[[route]]\npath = \"/a\"\nmethods = [\"get\"]",                            "never forwards"),
        ("[[route]]\npath = \"/a\"\nmethods = [\"TRACE\"]",                          "never forwards"),
        ("[[route]]\npath = \"/a\"\nmethods = [\"*\"]",                              "never forwards"),
        ("[[route]]\npath = \"/a\"\non_denied = \"302\"",                            "unknown variant `302`"),
        ("[[route]]\npath = \"/a\"\ncookie = \"keep\"",                              "unknown variant `keep`"),
        ("[[route]]\npath = \"/a\"\ncache = \"public, max-age=60\"",                 "lets shared caches keep"),
        ("[[route]]\npath = \"/a\"\ncache = \"no\\nstore\"",                         "no value of Cache-Control"),
        ("[[route]]\npath = \"^/admin.*$\"",                                         "does not begin with /"),
        ("[[route]]\npath = \"\"",                                                   "does not begin with /"),
        ("[[route]]\npath = \"/admin?x\"",                                           "rules see the path alone"),
        ("[[route]]\npath = \"/admin#x\"",                                           "rules see the path alone"),
        ("[[route]]\npath = \"/caf%C3%A9\"",                                         "write the character itself"),
        ("[[route]]\npath = \"/a//b\"",                                              "empty part"),
        ("[[route]]\npath = \"/a/../b\"",                                            "part of dots"),
        ("[[route]]\npath = \"/a;b\"",                                               "no accepted request has"),
        ("[[route]]\npath = \"/a/{*rest}/b\"",                                       "whole end"),
        ("[[route]]\npath = \"/a/{}\"",                                              "write {name}"),
        ("[[route]]\npath = \"/a/{x\"",                                              "write {name}"),
        ("[[route]]\npath = \"/a\"\n[[route]]\npath = \"/a\"",                       "two rules for one method"),
        ("[[route]]\npath = \"/a\"\n[[route]]\npath = \"/a/\"",                      "two rules for one method"),
        ("[[route]]\npath = \"/a\"\nmethods = [\"GET\"]\n[[route]]\npath = \"/a\"\nmethods = [\"POST\", \"GET\"]", "two rules for one method"),
        ("[[route]]\npath = \"/a/{x}\"\n[[route]]\npath = \"/a/{y}\"",               "same requests"),
        ("[[route]]\npath = \"/a\"\n[[route]]\npath = \"/A\"",                       "same requests"),
        ("[[route]]\npath = \"/a/{x}/b\"\n[[route]]\npath = \"/A/{x}/B\"",           "same requests"),
        ("[[route]]\npath = \"/a\"\nname = \"\"",                                    "is empty"),
        ("[[route]]\npath = \"/a\"\naudience = \"\"",                                "audience is empty"),
        ("login = \"https://evil.example\"",                                         "no path of this site"),
        ("login = \"//evil.example\"",                                               "no path of this site"),
        ("login = \"/login\"",                                                       "would lead to itself"),
        ("login = \"/login\"\n[[route]]\npath = \"/login\"",                         "would lead to itself"),
        ("login = \"/login\"\n[[route]]\npath = \"/{*all}\"\nrequire = { role = \"x\" }", "would lead to itself"),
        ("login = \"/login?a=1\"\n[[route]]\npath = \"/login\"",                     "would lead to itself"),
        ("login = \"/Login\"\n[[route]]\npath = \"/login\"\npublic = true",          "would lead to itself"),
        ("login = \"/login\"\n[[route]]\npath = \"/login\"\npublic = true",          "strips the session's cookie"),
        ("login = \"/login\"\n[[route]]\npath = \"/login\"\npublic = true\nmethods = [\"POST\"]", "would lead to itself"),
        ("origins = [\"https://*.example\"]",                                        "name each one"),
        ("origins = [\"null\"]",                                                     "sandboxed"),
    ];
    for (text, expected) in table {
        let error = match Rules::parse(text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{text}\n{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn an_empty_file_needs_a_login_everywhere() {
    let rules = Rules::parse("").unwrap();
    for path in ["/", "/x", "/login"] {
        assert_eq!(decided(&rules, "GET", path), "default");
        let judged = JudgedPath::judge(path).unwrap();
        let Matched::Ruled(ruling) = rules.of(&judged, &Method::GET) else {
            panic!("{path} is not allowed");
        };
        assert!(!ruling.is_public() && !ruling.passes_cookie());
    }
}

#[test]
fn a_requirement_is_described_in_words() {
    let rules = shop();
    let words = |name: &str| {
        let rule = rules.iter().find(|rule| rule.name() == name);
        rule.unwrap().requirement()
    };
    assert_eq!(words("home"), "nothing: it is public");
    assert_eq!(words("/admin/{*rest}"), "a login with the role admin");
    assert_eq!(
        words("/admin/help"),
        "a login with one of the roles admin, staff"
    );
    assert_eq!(
        words("write reports"),
        "a login with the role admin and one of the names ada, grace"
    );
}

#[test]
fn what_a_file_sets_for_all_holds_for_every_rule_and_the_default_one() {
    let text = "cookie = \"pass\"\naudience = \"shop\"\n[[route]]\npath = \"/a\"\n\
                [[route]]\npath = \"/b\"\ncookie = \"strip\"\naudience = \"billing\"";
    let rules = Rules::parse(text).unwrap();
    for (path, passes, audience) in [
        ("/a", true, "shop"),
        ("/b", false, "billing"),
        ("/c", true, "shop"),
    ] {
        let judged = JudgedPath::judge(path).unwrap();
        let Matched::Ruled(ruling) = rules.of(&judged, &Method::GET) else {
            panic!("{path} is not allowed");
        };
        assert_eq!(
            (ruling.passes_cookie(), ruling.audience()),
            (passes, Some(audience)),
            "{path}"
        );
    }
}

#[test]
fn of_two_rules_the_one_that_requires_more_gives_its_name() {
    let rules = shop();
    let table = [
        ("/ADMIN", "/admin/{*rest}"),
        ("/admin/HELP", "/admin/{*rest}"),
        ("/PUBLIC/x", "default"),
    ];
    for (path, name) in table {
        let judged = JudgedPath::judge(path).unwrap();
        let Matched::Ruled(ruling) = rules.of(&judged, &Method::GET) else {
            panic!("{path} is not allowed");
        };
        assert_eq!(ruling.name(), name, "{path}");
    }
}
