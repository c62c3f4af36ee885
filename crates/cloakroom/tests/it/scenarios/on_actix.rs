//! The application under actix-web, with two workers.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{App as Actix, HttpResponse, HttpServer, Resource, guard, rt, web};
use cloakroom::web::actix::{Csrf, Named, SessionMiddleware};
use cloakroom::{Session, SessionError};
use tokio::sync::oneshot;

use super::app::{App, Area, Asked, Main, Refused, Route, Said, Side, count_both, routes};
use super::site::Running;

pub(crate) async fn serve(app: Arc<App>) -> Running {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                Actix::new()
                    .service(
                        web::scope("/side")
                            .configure(|config| mount(config, &app, Area::Side))
                            .route("", web::get().to(side))
                            .wrap(SessionMiddleware::new(app.side.clone())),
                    )
                    .service(
                        web::scope("/strict")
                            .configure(|config| mount(config, &app, Area::Strict))
                            .wrap(SessionMiddleware::new(app.strict.clone())),
                    )
                    .configure(|config| mount(config, &app, Area::Main))
                    .route("/plain", web::get().to(async || "plain"))
                    .wrap(SessionMiddleware::new(app.manager.clone()))
            });
            let server = server.workers(2).disable_signals().listen(listener);
            let server = server.unwrap().run();
            let _ = sender.send(server.handle());
            server.await.unwrap();
        });
    });
    let handle = receiver.await.unwrap();
    // Stopping begins at the call, whether or not its future is awaited.
    Running::new(address, move || drop(handle.stop(false)))
}

/// Mounts the routes of one area, which is a scope of its own but for the first.
fn mount(config: &mut web::ServiceConfig, app: &Arc<App>, area: Area) {
    let own = |route: &Route| Area::of(route.path) == area;
    for route in routes().into_iter().filter(own) {
        let path = match area {
            Area::Main => route.path,
            Area::Side => &route.path["/side".len()..],
            Area::Strict => &route.path["/strict".len()..],
        };
        let resource = Resource::new(path);
        let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        let resource = resource.guard(guard::Method(method));
        let resource = resource.route(answer(app, &route));
        match route.guard {
            Some(guard) => config.service(resource.wrap(guard).wrap(Csrf::new())),
            None => config.service(resource.wrap(Csrf::new())),
        };
    }
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
