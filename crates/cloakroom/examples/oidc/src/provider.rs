//! The provider: its metadata, the way to its login, and what it says of who signed in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::reqwest;
use openidconnect::url::Url;
use openidconnect::{
    AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken, IdTokenClaims,
    IdTokenFields, IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, StandardErrorResponse,
    StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use tokio::sync::RwLock;

use crate::sign_in::now;

/// The metadata and keys are asked for again after this time: providers publish a key before they use it.
const FRESH: Duration = Duration::from_mins(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The clocks of two servers differ.
const SKEW_SECONDS: i64 = 60;

/// The provider's address, and the name and secret by which it knows this application.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, value_parser = |text: &str| IssuerUrl::new(text.to_owned()))]
    issuer: IssuerUrl,
    #[arg(long)]
    client_id: String,
    #[arg(long, env = "OIDC_CLIENT_SECRET", hide_env_values = true)]
    client_secret: String,
    /// This application's own URL, as browsers have it, without a slash at its end.
    #[arg(long)]
    url: String,
    /// Have the provider answer by a form (`response_mode=form_post`), so that codes are in no address.
    #[arg(long)]
    form_post: bool,
}

/// The claim that a logout at the provider refers to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct SidClaim {
    sid: Option<String>,
}

impl AdditionalClaims for SidClaim {}

type Claims = IdTokenClaims<SidClaim, CoreGenderClaim>;
type Token =
    IdToken<SidClaim, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Fields = IdTokenFields<
    SidClaim,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type ShopClient = Client<
    SidClaim,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The values with which a login is compared when it ends. They are in the session, and nowhere else.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Begun {
    pub(crate) state: String,
    nonce: Nonce,
    verifier: String,
    /// Set where the password had to be given once more: no login from before this second counts.
    after: Option<i64>,
}

impl Begun {
    #[cfg(test)]
    pub(crate) fn test(state: &str) -> Self {
        Self {
            state: state.to_owned(),
            nonce: Nonce::new("nonce".to_owned()),
            verifier: "verifier".to_owned(),
            after: None,
        }
    }
}

/// The user who signed in, by a verified ID token.
pub(crate) struct Identity {
    /// `sub`: names never change at the provider, this neither.
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) sid: Option<String>,
    pub(crate) id_token: String,
    /// Seconds since 1970.
    pub(crate) issued: i64,
}

/// A login that the provider does not vouch for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("the provider cannot be asked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the provider does not accept the code")]
    Code(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the provider's answer has no ID token")]
    NoToken,
    #[error("the provider's ID token is not valid")]
    Token(#[from] openidconnect::ClaimsVerificationError),
    #[error("the provider's login is older than was asked for")]
    TooOld,
    #[error("the provider's metadata are not complete")]
    Metadata,
}

impl ProviderError {
    /// Returns `true` if it may be another time.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// The provider, with what is known of it.
pub(crate) struct Provider {
    options: Options,
    http: reqwest::Client,
    known: RwLock<(Instant, Arc<Known>)>,
}

/// The metadata and keys that the provider publishes.
struct Known {
    client: ShopClient,
    keys: JwkSet,
    logout: Option<LogoutEndpoint>,
}

type LogoutEndpoint = openidconnect::EndSessionUrl;

impl Provider {
    /// Asks the provider for its metadata and keys.
    pub(crate) async fn discover(options: Options) -> Result<Self, ProviderError> {
        let http = reqwest::ClientBuilder::new()
            // A redirect could lead to a server inside one's own network.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| ProviderError::Unavailable(error.into()))?;
        let known = Known::discover(&options, &http).await?;
        Ok(Self {
            options,
            http,
            known: RwLock::new((Instant::now(), Arc::new(known))),
        })
    }

    pub(crate) fn issuer(&self) -> &str {
        self.options.issuer.as_str()
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.options.client_id
    }

    /// Returns the keys that the provider signs with.
    pub(crate) async fn keys(&self) -> JwkSet {
        self.known().await.keys.clone()
    }

    /// Begins a login: the provider's page for it, and what has to fit at its end. `again` asks for the
    /// password even of whoever is signed in at the provider.
    pub(crate) async fn begin(&self, again: bool) -> Result<(Url, Begun), ProviderError> {
        let known = self.known().await;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request =
            known
                .client
                .authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        if self.options.form_post {
            request = request.add_extra_param("response_mode", "form_post");
        }
        if again {
            request = request
                .add_prompt(CoreAuthPrompt::Login)
                .set_max_age(Duration::ZERO);
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let begun = Begun {
            state: state.into_secret(),
            nonce,
            verifier: verifier.into_secret(),
            after: again.then(|| now().cast_signed()),
        };
        Ok((url, begun))
    }

    /// Exchanges the code, and verifies what comes for it.
    pub(crate) async fn finish(
        &self,
        code: String,
        begun: &Begun,
    ) -> Result<Identity, ProviderError> {
        let known = self.known().await;
        let request = known.client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|_| ProviderError::Metadata)?;
        let verifier = PkceCodeVerifier::new(begun.verifier.clone());
        let answer = request.set_pkce_verifier(verifier);
        let answer = answer.request_async(&self.http).await.map_err(by_cause)?;
        let token = answer.extra_fields().id_token();
        let token = token.ok_or(ProviderError::NoToken)?;
        // Signature, issuer, audience, time, and the nonce of this login.
        let claims = token.claims(&known.client.id_token_verifier(), &begun.nonce)?;
        if !is_recent(claims, begun.after) {
            return Err(ProviderError::TooOld);
        }
        Ok(identity(claims, token))
    }

    /// Returns the provider's page for a logout; `None` where it has none.
    pub(crate) async fn logout_url(&self, id_token: &str) -> Result<Option<Url>, ProviderError> {
        let known = self.known().await;
        let (Some(endpoint), Ok(token)) = (known.logout.clone(), id_token.parse::<Token>()) else {
            return Ok(None);
        };
        let back = PostLogoutRedirectUrl::new(format!("{}/", self.options.url));
        let back = back.map_err(|_| ProviderError::Metadata)?;
        let request = LogoutRequest::from(endpoint)
            .set_id_token_hint(&token)
            .set_post_logout_redirect_uri(back);
        Ok(Some(request.http_get_url()))
    }

    async fn known(&self) -> Arc<Known> {
        let (at, known) = self.known.read().await.clone();
        if at.elapsed() < FRESH {
            return known;
        }
        let mut place = self.known.write().await;
        if place.0.elapsed() >= FRESH {
            // What was known goes on where the provider cannot be asked.
            let asked = Known::discover(&self.options, &self.http).await;
            let known = asked.map_or_else(|_| Arc::clone(&place.1), Arc::new);
            *place = (Instant::now(), known);
        }
        Arc::clone(&place.1)
    }
}

impl Known {
    async fn discover(options: &Options, http: &reqwest::Client) -> Result<Self, ProviderError> {
        let issuer = options.issuer.clone();
        let metadata = ProviderMetadataWithLogout::discover_async(issuer, http).await;
        let metadata = metadata.map_err(|error| ProviderError::Unavailable(error.into()))?;
        let keys = serde_json::to_value(metadata.jwks()).and_then(serde_json::from_value);
        let logout = metadata.additional_metadata().end_session_endpoint.clone();
        let redirect = RedirectUrl::new(format!("{}/callback", options.url));
        let id = ClientId::new(options.client_id.clone());
        let secret = ClientSecret::new(options.client_secret.clone());
        let client = ShopClient::from_provider_metadata(metadata, id, Some(secret));
        Ok(Self {
            client: client.set_redirect_uri(redirect.map_err(|_| ProviderError::Metadata)?),
            keys: keys.map_err(|_| ProviderError::Metadata)?,
            logout,
        })
    }
}

fn by_cause<E, R>(error: openidconnect::RequestTokenError<E, R>) -> ProviderError
where
    E: std::error::Error + Send + Sync + 'static,
    R: openidconnect::ErrorResponse + Send + Sync + 'static,
{
    match error {
        openidconnect::RequestTokenError::Request(_) => ProviderError::Unavailable(error.into()),
        _ => ProviderError::Code(error.into()),
    }
}

/// A login that was asked for again took place after that, by the provider's clock.
fn is_recent(claims: &Claims, after: Option<i64>) -> bool {
    let Some(after) = after else { return true };
    let time = claims.auth_time().map(|time| time.timestamp());
    time.is_some_and(|time| time + SKEW_SECONDS >= after)
}

fn identity(claims: &Claims, token: &Token) -> Identity {
    let user = claims.subject().to_string();
    let name = claims.preferred_username().map(|name| name.to_string());
    Identity {
        name: name.unwrap_or_else(|| user.clone()),
        user,
        sid: claims.additional_claims().sid.clone(),
        id_token: token.to_string(),
        issued: claims.issue_time().timestamp(),
    }
}
