//! The fields of a request and a response, and what a request's head says, in the types of `http`.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, Entry, HeaderValue};
use http::request::Parts;
use http::{Extensions, HeaderMap, Uri};

use crate::web::Tls;
use crate::web::head::{HeaderMapExt, Name, RequestHead, field_name};

field_name!(header);

impl HeaderMapExt for HeaderMap {
    fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let values = self.get_all(field_name(name)).iter();
        values.map(HeaderValue::as_bytes)
    }

    fn set(&mut self, name: Name, value: &str) -> bool {
        let value = HeaderValue::try_from(value).ok();
        let set = |value| self.insert(field_name(name), value);
        value.map(set).is_some()
    }

    fn append(&mut self, name: Name, value: &str) -> bool {
        let value = HeaderValue::try_from(value).ok();
        let append = |value| self.append(field_name(name), value);
        value.map(append).is_some()
    }

    fn add_first(&mut self, name: Name, value: &'static str) -> bool {
        let Entry::Vacant(place) = self.entry(field_name(name)) else {
            return false;
        };
        place.insert(HeaderValue::from_static(value));
        true
    }
}

impl RequestHead for Parts {
    type Fields = HeaderMap;

    fn fields(&self) -> &HeaderMap {
        &self.headers
    }

    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        uri_of(&self.uri, &self.extensions).path()
    }

    fn target(&self) -> &str {
        let uri = uri_of(&self.uri, &self.extensions);
        uri.path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
    }

    fn authority(&self) -> Option<&str> {
        self.uri.authority().map(http::uri::Authority::as_str)
    }

    fn peer(&self) -> Option<IpAddr> {
        #[cfg(feature = "axum")]
        {
            use ::axum::extract::ConnectInfo;
            if let Some(ConnectInfo(peer)) = self.extensions.get::<ConnectInfo<SocketAddr>>() {
                return Some(peer.ip());
            }
        }
        self.extensions.get::<SocketAddr>().map(SocketAddr::ip)
    }

    fn is_tls(&self) -> bool {
        self.extensions.get::<Tls>().is_some()
    }
}

/// Returns the URI that the client requested, whatever router the request was nested in since.
pub(super) fn uri_of<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = extensions.get::<::axum::extract::OriginalUri>() {
        return original;
    }
    let _ = extensions;
    uri
}
