//! The application under axum.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use cloakroom::web::{Csrf, Named};
use cloakroom::{Session, SessionError, SessionLayer};
use tokio::net::TcpListener;

use super::app::{App, Area, Asked, Main, Refused, Route, Said, Side, count_both, routes};
use super::site::Running;

pub(crate) async fn serve(app: Arc<App>) -> Running {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move { axum::serve(listener, service).await });
    let stop = task.abort_handle();
    Running::new(address, move || stop.abort())
}

fn router(app: &Arc<App>) -> Router {
    let main = area(app, Area::Main).route("/plain", get(async || "plain"));
    let side = area(app, Area::Side).route("/side", get(side));
    let strict = area(app, Area::Strict);
    // Each area has its own session; the outermost one can be asked for by its name.
    Router::new()
        .merge(main.layer(Csrf::new()))
        .merge(
            side.layer(Csrf::new())
                .layer(SessionLayer::new(app.side.clone())),
        )
        .merge(
            strict
                .layer(Csrf::new())
                .layer(SessionLayer::new(app.strict.clone())),
        )
        .layer(SessionLayer::new(app.manager.clone()))
}

fn area(app: &Arc<App>, area: Area) -> Router {
    let routes = routes().into_iter();
    let own = routes.filter(|route| Area::of(route.path) == area);
    own.fold(Router::new(), |router, route| {
        router.route(route.path, mounted(app, &route))
    })
}

fn mounted(app: &Arc<App>, route: &Route) -> MethodRouter {
    let (app, handler) = (Arc::clone(app), Arc::clone(&route.handler));
    let answer = async move |session: Session, body: String| -> Response {
        let app = Arc::clone(&app);
        match handler(Asked { app, session, body }).await {
            Ok(Said::Text(text)) => text.into_response(),
            Ok(Said::To(to)) => Redirect::to(&to).into_response(),
            Err(Refused::Session(error)) => error.into_response(),
            Err(Refused::Attempts(error)) => error.into_response(),
        }
    };
    let method = on(
        MethodFilter::try_from(route.method.clone()).unwrap(),
        answer,
    );
    match route.guard.clone() {
        Some(guard) => method.route_layer(guard),
        None => method,
    }
}

async fn side(main: Named<Main>, side: Named<Side>) -> Result<String, SessionError> {
    count_both(&main, &side)
}
