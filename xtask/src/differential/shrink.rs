//! Makes a sequence that shows a difference as short as it can be while it still shows one.

use super::sequence::{CookieChoice, Request, Target};

/// Takes away requests, then steps, then odd cookies, as long as `fails` says that a difference is left.
pub(super) fn shrink(
    mut requests: Vec<Request>,
    mut fails: impl FnMut(&[Request]) -> Result<bool, String>,
) -> Result<Vec<Request>, String> {
    'again: loop {
        for smaller in smaller(&requests) {
            if fails(&smaller)? {
                requests = smaller;
                continue 'again;
            }
        }
        return Ok(requests);
    }
}

/// Returns every sequence that is one piece smaller, the largest pieces first.
fn smaller(requests: &[Request]) -> Vec<Vec<Request>> {
    let change = |index: usize, changed: Request| {
        let mut requests = requests.to_vec();
        requests[index] = changed;
        requests
    };
    let indexed = || requests.iter().enumerate();
    let fewer_requests = indexed().map(|(index, _)| without(requests, index));
    let fewer_steps = indexed().flat_map(|(index, request)| {
        let steps = request.steps();
        (0..steps.len()).map(move |step| {
            change(
                index,
                Request {
                    cookie: request.cookie,
                    target: Target::Run(without(steps, step)),
                },
            )
        })
    });
    let plain_cookies = indexed()
        .filter(|(_, request)| request.cookie != CookieChoice::Current)
        .map(|(index, request)| {
            change(
                index,
                Request {
                    cookie: CookieChoice::Current,
                    ..request.clone()
                },
            )
        });
    fewer_requests
        .chain(fewer_steps)
        .chain(plain_cookies)
        .filter(|requests| is_worth_a_try(requests))
        .collect()
}

fn is_worth_a_try(requests: &[Request]) -> bool {
    !requests.is_empty() && requests.iter().all(Request::is_fair)
}

fn without<T: Clone>(items: &[T], index: usize) -> Vec<T> {
    let mut rest = items.to_vec();
    rest.remove(index);
    rest
}

#[cfg(test)]
mod tests {
    use super::super::sequence::Step;
    use super::*;

    fn request(cookie: CookieChoice, ops: &[&'static str]) -> Request {
        Request {
            cookie,
            target: Target::Run(ops.iter().map(|op| Step::Bare(op)).collect()),
        }
    }

    #[test]
    fn steps_that_the_difference_does_not_need_are_dropped() {
        let requests = vec![
            request(CookieChoice::None, &["all", "save", "touch"]),
            request(CookieChoice::Current, &["all"]),
            request(
                CookieChoice::Twice,
                &["touch", "regenerate", "save", "reload", "drop"],
            ),
        ];
        let needs_save_then_reload = |requests: &[Request]| {
            let saved = requests
                .first()
                .is_some_and(|first| first.has_any(&["save"]));
            Ok(saved
                && requests
                    .iter()
                    .skip(1)
                    .any(|later| later.has_any(&["reload"])))
        };
        let shrunk = shrink(requests, needs_save_then_reload);
        let shortest = vec![
            request(CookieChoice::Current, &["save"]),
            request(CookieChoice::Current, &["reload"]),
        ];
        assert_eq!(shrunk, Ok(shortest));
    }

    #[test]
    fn no_unfair_sequence_is_tried() {
        let requests = vec![request(
            CookieChoice::Current,
            &["regenerate", "save", "reload"],
        )];
        let fails = |requests: &[Request]| {
            assert!(requests.iter().all(Request::is_fair));
            Ok(requests.iter().any(|request| request.has_any(&["reload"])))
        };
        assert_eq!(
            shrink(requests, fails),
            Ok(vec![request(CookieChoice::Current, &["reload"])])
        );
    }
}
