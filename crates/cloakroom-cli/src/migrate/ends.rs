//! Both ends of a move, and how their stores are asked: again, where they fail for a moment.

use std::time::Duration;

use cloakroom::SessionId;
use cloakroom::store::{AnyStore, RetiredId, Store as _, StoreError, StoreErrorKind};

use super::decide::AtSource;

/// Times that a store is asked.
const TRIES: u32 = 7;
/// The pause before the second time; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The stores of a move.
#[derive(Clone)]
pub(super) struct Ends {
    pub(super) source: AnyStore,
    pub(super) target: AnyStore,
}

/// Asks a store until it answers: a failure of a few seconds ends no move.
pub(super) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if is_passing(error.kind()) => tokio::time::sleep(pause).await,
            said => return said,
        }
        pause *= 2;
    }
    ask().await
}

fn is_passing(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Unknown)
}

impl Ends {
    /// Asks the source for a session that a pass has not met, and why it is not there.
    pub(super) async fn at_source(
        &self,
        id: &SessionId,
    ) -> Result<(AtSource, RetiredId), StoreError> {
        let found = patiently(|| async {
            match self.source.get_uncached(id).await {
                Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(true),
                read => Ok(read?.is_some()),
            }
        });
        if found.await? {
            return Ok((AtSource::Found, RetiredId::Closed));
        }
        let retired = patiently(|| self.source.retired(id)).await?;
        Ok(match retired {
            Some(retired) => (AtSource::Retired, retired),
            None => (AtSource::Gone, RetiredId::Closed),
        })
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::store::{StoreError, StoreErrorKind};

    use super::patiently;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_for_a_moment_is_asked_again() {
        for (failures, kind, answered, asked) in [
            (0, StoreErrorKind::Unavailable, true, 1),
            (6, StoreErrorKind::Unavailable, true, 7),
            (6, StoreErrorKind::Unknown, true, 7),
            (7, StoreErrorKind::Unavailable, false, 7),
            (1, StoreErrorKind::Invalid, false, 1),
            (1, StoreErrorKind::Corrupt, false, 1),
        ] {
            let mut times = 0;
            let said = patiently(|| {
                times += 1;
                std::future::ready(if times > failures {
                    Ok(())
                } else {
                    Err(StoreError::from(kind))
                })
            });
            assert_eq!(said.await.is_ok(), answered, "{failures} {kind:?}");
            assert_eq!(times, asked, "{failures} {kind:?}");
        }
    }
}
