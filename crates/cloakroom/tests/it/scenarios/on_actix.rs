//! The application under actix-web, with two workers.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{App as Actix, HttpResponse, HttpServer, Resource, guard, rt, web};
use cloakroom::web::actix::{Csrf, Named, SessionMiddleware};
use cloakroom::{Session, SessionError};
use tokio::sync::oneshot;

use super::app::{App, Asked, Main, Refused, Route, Said, Side, count_both, routes};
use super::site::Running;

pub(crate) async fn serve(app: Arc<App>) -> Running {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                Actix::new()
                    .configure(|config| mount(config, &app))
                    .wrap(Csrf::new())
                    .wrap(SessionMiddleware::new(app.strict.clone()))
                    .wrap(SessionMiddleware::new(app.side.clone()))
                    .wrap(SessionMiddleware::new(app.manager.clone()))
            });
            let server = server.workers(2).disable_signals().listen(listener);
            let server = server.unwrap().run();
            let _ = sender.send(server.handle());
            server.await.unwrap();
        });
    });
    let handle = receiver.await.unwrap();
    // Stopping begins when it is asked for, whether or not anybody waits.
    Running::new(address, move || drop(handle.stop(false)))
}

fn mount(config: &mut web::ServiceConfig, app: &Arc<App>) {
    for route in routes() {
        let resource = Resource::new(route.path);
        let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        let resource = resource.guard(guard::Method(method));
        let resource = resource.route(answer(app, &route));
        match route.guard {
            Some(guard) => config.service(resource.wrap(guard)),
            None => config.service(resource),
        };
    }
    config
        .route("/plain", web::get().to(async || "plain"))
        .route("/side", web::get().to(side));
}

fn answer(app: &Arc<App>, route: &Route) -> actix_web::Route {
    let (app, handler) = (Arc::clone(app), Arc::clone(&route.handler));
    web::route().to(move |session: Session, body: String| {
        let (app, handler) = (Arc::clone(&app), Arc::clone(&handler));
        async move {
            match handler(Asked { app, session, body }).await {
                Ok(Said::Text(text)) => Ok(HttpResponse::Ok().body(text)),
                Ok(Said::To(to)) => Ok(HttpResponse::SeeOther()
                    .insert_header(("location", to))
                    .finish()),
                Err(Refused::Session(error)) => Err(actix_web::Error::from(error)),
                Err(Refused::Attempts(error)) => Err(error.into()),
            }
        }
    })
}

async fn side(main: Named<Main>, side: Named<Side>) -> Result<String, SessionError> {
    count_both(&main, &side)
}
