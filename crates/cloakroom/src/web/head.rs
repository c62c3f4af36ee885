//! A request's head, as far as sessions look at it, whatever framework parsed it.

use std::net::IpAddr;

use crate::policy::{Policy, RequestInfo};

/// The fields of a head. Names are in lower case.
pub(super) trait Fields {
    /// The values of a field, in their order.
    fn all(&self, name: &'static str) -> impl Iterator<Item = &[u8]>;

    /// Puts a field in the place of those with its name; `false` where no field can hold the value.
    fn set(&mut self, name: &'static str, value: &str) -> bool;

    /// Adds a field to those with its name; `false` where no field can hold the value.
    fn append(&mut self, name: &'static str, value: &str) -> bool;

    /// The first value of a field, empty where it is not ASCII text.
    fn first(&self, name: &'static str) -> Option<&str> {
        self.all(name)
            .next()
            .map(|value| text(value).unwrap_or_default())
    }

    /// The values of a field that are ASCII text, joined by commas.
    fn joined(&self, name: &'static str) -> String {
        let values: Vec<&str> = self.all(name).filter_map(text).collect();
        values.join(", ")
    }
}

/// What a framework knows of a request beside its body.
pub(super) trait Head {
    /// The framework's map of fields.
    type Fields: Fields;

    /// The fields.
    fn fields(&self) -> &Self::Fields;
    /// The method, `GET`.
    fn method(&self) -> &str;
    /// The path that the client asked for, whatever router the request was nested in since.
    fn path(&self) -> &str;
    /// The same with its query.
    fn target(&self) -> &str;
    /// The authority of the request's URI, where it has one.
    fn authority(&self) -> Option<&str>;
    /// The peer's address, where the server makes it known.
    fn peer(&self) -> Option<IpAddr>;
    /// Whether the connection is known to be TLS.
    fn is_tls(&self) -> bool;
}

/// The text of a field that holds nothing but visible ASCII, spaces and tabs.
fn text(value: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let value = value.iter().all(is_plain).then_some(value)?;
    std::str::from_utf8(value).ok()
}

/// The host that a request names.
pub(super) fn host(head: &impl Head) -> Option<&str> {
    head.fields().first("host").or_else(|| head.authority())
}

/// Whether a request came over TLS, to this server or to a proxy that the policy trusts; `tls` says
/// that every connection does.
pub(super) fn is_secure(policy: &Policy, tls: bool, head: &impl Head) -> bool {
    let forwarded = head.fields().first("x-forwarded-proto");
    let proxy = &policy.settings().trusted_proxy;
    proxy.is_secure(tls || head.is_tls(), head.peer(), forwarded)
}

/// What the functions of a policy may know of a request; no more of it than they look at.
pub(super) fn request_info(policy: &Policy, tls: bool, head: &impl Head) -> RequestInfo {
    let mut info = RequestInfo {
        is_secure: is_secure(policy, tls, head),
        address: client(policy, head),
        ..RequestInfo::default()
    };
    let agent = head.fields().all("user-agent").next();
    if let Some(field) = agent.filter(|_| policy.notes_devices()) {
        info.set_user_agent(field);
    }
    if policy.wants_request() {
        head.path().clone_into(&mut info.path);
        info.host = host(head).map(str::to_owned);
    }
    info
}

/// The client's address, by a trusted proxy's word where the peer is one.
fn client(policy: &Policy, head: &impl Head) -> Option<IpAddr> {
    let fields = head.fields().all("x-forwarded-for");
    let fields = fields.map(|field| text(field).unwrap_or_default());
    policy.settings().trusted_proxy.client(head.peer(), fields)
}
