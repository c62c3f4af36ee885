//! A request's head, independent of the framework that parsed it.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::policy::{Insecurity, Policy, RequestInfo};

/// The fields that are read or set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Accept,
    CacheControl,
    ClearSiteData,
    #[cfg(any(feature = "axum", feature = "actix"))]
    ContentType,
    Cookie,
    #[cfg(any(feature = "axum", feature = "actix"))]
    CsrfToken,
    ForwardedFor,
    ForwardedProto,
    Host,
    HxCurrentUrl,
    HxRequest,
    #[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
    Origin,
    Referer,
    #[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
    SecFetchSite,
    SetCookie,
    UserAgent,
    Vary,
}

/// Defines `field_name`, from a [`Name`] to the constant of a version of the crate `http`: a known name is
/// found faster than a text.
macro_rules! field_name {
    ($header:ident) => {
        fn field_name(name: $crate::web::head::Name) -> $header::HeaderName {
            use $crate::web::head::Name;
            match name {
                Name::Accept => $header::ACCEPT,
                Name::CacheControl => $header::CACHE_CONTROL,
                Name::ClearSiteData => $header::HeaderName::from_static("clear-site-data"),
                #[cfg(any(feature = "axum", feature = "actix"))]
                Name::ContentType => $header::CONTENT_TYPE,
                Name::Cookie => $header::COOKIE,
                #[cfg(any(feature = "axum", feature = "actix"))]
                Name::CsrfToken => {
                    $header::HeaderName::from_static($crate::auth::TokenPlace::HEADER)
                }
                Name::ForwardedFor => $header::HeaderName::from_static("x-forwarded-for"),
                Name::ForwardedProto => $header::HeaderName::from_static("x-forwarded-proto"),
                Name::Host => $header::HOST,
                Name::HxCurrentUrl => $header::HeaderName::from_static("hx-current-url"),
                Name::HxRequest => $header::HeaderName::from_static("hx-request"),
                Name::Referer => $header::REFERER,
                #[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
                Name::Origin => $header::ORIGIN,
                #[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
                Name::SecFetchSite => $header::HeaderName::from_static("sec-fetch-site"),
                Name::SetCookie => $header::SET_COOKIE,
                Name::UserAgent => $header::USER_AGENT,
                Name::Vary => $header::VARY,
            }
        }
    };
}
pub(super) use field_name;

/// The fields of a head.
pub(super) trait HeaderMapExt {
    /// Returns the values of a field, in order.
    fn all(&self, name: Name) -> impl Iterator<Item = &[u8]>;

    /// Replaces the fields of that name; returns `false` where no field can hold the value.
    fn set(&mut self, name: Name, value: &str) -> bool;

    /// Appends a field to those of that name; returns `false` where no field can hold the value.
    fn append(&mut self, name: Name, value: &str) -> bool;

    /// Adds a field, whose value needs no copy, where there is none of that name; returns `false` where there
    /// is.
    fn add_first(&mut self, name: Name, value: &'static str) -> bool;

    /// Returns the first value of a field, empty where it is not ASCII text.
    fn first(&self, name: Name) -> Option<&str> {
        self.all(name)
            .next()
            .map(|value| text(value).unwrap_or_default())
    }

    /// Returns the values of a field that are ASCII text, joined by commas.
    fn joined(&self, name: Name) -> String {
        let values: Vec<&str> = self.all(name).filter_map(text).collect();
        values.join(", ")
    }
}

/// A request without its body.
pub(super) trait RequestHead {
    /// The framework's map of fields.
    type Fields: HeaderMapExt;

    /// Returns the fields.
    fn fields(&self) -> &Self::Fields;
    /// Returns the method, such as `GET`.
    fn method(&self) -> &str;
    /// Returns the path that the client requested, whatever router the request was nested in since.
    fn path(&self) -> &str;
    /// Returns that path with its query.
    fn target(&self) -> &str;
    /// Returns the authority of the request's URI, where it has one.
    fn authority(&self) -> Option<&str>;
    /// Returns the peer's address, where the server makes it known.
    fn peer(&self) -> Option<IpAddr>;
    /// Returns `true` if the connection is known to be TLS.
    fn is_tls(&self) -> bool;
}

/// Returns the text of a field that holds only visible ASCII, spaces and tabs.
fn text(value: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let value = value.iter().all(is_plain).then_some(value)?;
    std::str::from_utf8(value).ok()
}

/// Returns the host that a request names.
pub(super) fn host(head: &impl RequestHead) -> Option<&str> {
    head.fields().first(Name::Host).or_else(|| head.authority())
}

/// Returns `true` if a request came over TLS, to this server or to a proxy that the policy trusts; with `tls`
/// every connection does.
#[cfg(any(feature = "axum", feature = "actix", feature = "socketio"))]
pub(super) fn is_secure(policy: &Policy, tls: bool, head: &impl RequestHead) -> bool {
    insecurity(policy, tls, head).is_none()
}

/// Returns the reason for which a request does not count as one over TLS, `None` where it does.
fn insecurity(policy: &Policy, tls: bool, head: &impl RequestHead) -> Option<Insecurity> {
    if tls || head.is_tls() {
        return None;
    }
    let values = |name| head.fields().all(name).map(String::from_utf8_lossy);
    let (mut addresses, mut protos) = (Vec::new(), Vec::new());
    let proxy = &policy.settings().trusted_proxy;
    let peer = head.peer();
    if proxy.trusts(peer) {
        addresses.extend(values(Name::ForwardedFor));
        protos.extend(values(Name::ForwardedProto));
    }
    proxy.insecurity(peer, || texts(&addresses), || texts(&protos))
}

fn texts<'a>(values: &'a [Cow<'_, str>]) -> Vec<&'a str> {
    values.iter().map(AsRef::as_ref).collect()
}

/// Returns the request's data for a policy's functions; no more of it than they need.
pub(super) fn request_info(policy: &Policy, tls: bool, head: &impl RequestHead) -> RequestInfo {
    let insecurity = insecurity(policy, tls, head);
    let mut info = RequestInfo {
        is_secure: insecurity.is_none(),
        insecurity,
        address: client(policy, head),
        ..RequestInfo::default()
    };
    if policy.notes_devices()
        && let Some(field) = head.fields().all(Name::UserAgent).next()
    {
        info.set_user_agent(field);
    }
    if policy.wants_request() {
        head.path().clone_into(&mut info.path);
        info.host = host(head).map(str::to_owned);
    }
    info
}

/// Returns the client's address, as a trusted proxy reports it where the peer is one.
fn client(policy: &Policy, head: &impl RequestHead) -> Option<IpAddr> {
    let proxy = &policy.settings().trusted_proxy;
    let peer = head.peer();
    if !proxy.trusts(peer) {
        return peer.map(|peer| peer.to_canonical());
    }
    // An entry may hold any byte: the others are read all the same.
    let fields = head.fields().all(Name::ForwardedFor);
    let fields: Vec<_> = fields.map(String::from_utf8_lossy).collect();
    proxy.client(peer, texts(&fields))
}
