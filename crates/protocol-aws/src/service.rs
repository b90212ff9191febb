//! A service: its model, its state, and one handler an operation.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use base::Scope;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{AwsError, Events, Model, json};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who calls, for where.
#[derive(Debug, Clone)]
pub struct Context {
    pub scope: Scope,
    pub request_id: String,
    /// The access key id of the caller; empty for an unsigned request.
    pub access_key: String,
    /// `http://host:port` as the caller addressed us.
    pub endpoint: String,
}

/// One call of an operation: the service's state (by dereference) and who calls.
pub struct Call<S> {
    state: Arc<S>,
    context: Context,
}

impl<S> Call<S> {
    pub fn new(state: Arc<S>, context: Context) -> Self {
        Self { state, context }
    }

    pub fn scope(&self) -> &Scope {
        &self.context.scope
    }

    pub fn request_id(&self) -> &str {
        &self.context.request_id
    }

    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The state itself, for work that outlives the call.
    pub fn state(&self) -> &Arc<S> {
        &self.state
    }
}

impl<S> Deref for Call<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

/// `async fn handle(call: &Call<S>, input: I) -> Result<O, AwsError>`.
pub trait Handler<'a, S: 'a, I, O>: Send + Sync + 'static {
    type Future: Future<Output = Result<O, AwsError>> + Send + 'a;

    fn invoke(&self, call: &'a Call<S>, input: I) -> Self::Future;
}

impl<'a, S, I, O, F, R> Handler<'a, S, I, O> for F
where
    S: 'a,
    F: Fn(&'a Call<S>, I) -> R + Send + Sync + 'static,
    R: Future<Output = Result<O, AwsError>> + Send + 'a,
{
    type Future = R;

    fn invoke(&self, call: &'a Call<S>, input: I) -> R {
        self(call, input)
    }
}

/// `async fn fast(call: &Call<S>, body: &Bytes) -> Option<Result<Bytes, AwsError>>`.
pub trait FastHandler<'a, S: 'a>: Send + Sync + 'static {
    type Future: Future<Output = Option<Result<Bytes, AwsError>>> + Send + 'a;

    fn invoke(&self, call: &'a Call<S>, body: &'a Bytes) -> Self::Future;
}

impl<'a, S, F, R> FastHandler<'a, S> for F
where
    S: 'a,
    F: Fn(&'a Call<S>, &'a Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = Option<Result<Bytes, AwsError>>> + Send + 'a,
{
    type Future = R;

    fn invoke(&self, call: &'a Call<S>, body: &'a Bytes) -> R {
        self(call, body)
    }
}

/// What a handler returned, ready to be written as awsJson or, through a value, as anything else.
pub(crate) trait Output: Send {
    fn to_json(&self) -> serde_json::Result<Vec<u8>>;
    fn to_value(&self) -> serde_json::Result<Value>;
}

impl<O: Serialize + Send> Output for O {
    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    fn to_value(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

/// What a handler answers.
pub(crate) enum Answer {
    Output(Box<dyn Output>),
    Events(Events),
}

type Handle = Box<dyn Fn(Context, Value) -> BoxFuture<'static, Result<Answer, AwsError>> + Send + Sync>;
type Fast = Box<dyn Fn(Context, Bytes) -> BoxFuture<'static, Option<Result<Bytes, AwsError>>> + Send + Sync>;

/// A service ready to be called.
pub struct Service {
    name: &'static str,
    handlers: HashMap<&'static str, Handle>,
    fast: HashMap<&'static str, Fast>,
    validation_code: &'static str,
}

impl Service {
    /// Starts a service. `name` is its model's file name in `models/`.
    #[expect(clippy::new_ret_no_self, reason = "a service is built operation by operation")]
    pub fn new<S: Send + Sync + 'static>(name: &'static str, state: S) -> Builder<S> {
        let service = Self {
            name,
            handlers: HashMap::new(),
            fast: HashMap::new(),
            validation_code: "ValidationException",
        };
        Builder {
            state: Arc::new(state),
            service,
            before: None,
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn model(&self) -> &'static Arc<Model> {
        Model::get(self.name).unwrap_or_else(|| panic!("no model is embedded for {}", self.name))
    }

    /// The operations that are built.
    pub fn operations(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.handlers.keys().copied().collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn has(&self, operation: &str) -> bool {
        self.handlers.contains_key(operation)
    }

    /// The code of errors that validation by the model finds.
    pub(crate) fn validation_code(&self) -> &'static str {
        self.validation_code
    }

    /// Takes the hot path, where the operation has one and the body is ordinary.
    pub(crate) async fn call_fast(
        &self,
        operation: &str,
        context: &Context,
        body: &Bytes,
    ) -> Option<Result<Bytes, AwsError>> {
        let fast = self.fast.get(operation)?;
        fast(context.clone(), body.clone()).await
    }

    pub(crate) async fn call(&self, operation: &str, context: Context, input: Value) -> Result<Answer, AwsError> {
        let handle = self
            .handlers
            .get(operation)
            .ok_or_else(|| AwsError::not_implemented(self.name, operation))?;
        handle(context, input).await
    }
}

/// Looks at a call before its handler does, and may refuse it.
type Before<S> = fn(&Call<S>, operation: &'static str, input: &Value) -> Result<(), AwsError>;

/// A service being built: one `.on` an operation.
pub struct Builder<S> {
    state: Arc<S>,
    service: Service,
    before: Option<Before<S>>,
}

impl<S: Send + Sync + 'static> Builder<S> {
    /// Has a look at every call of the operations that are registered after this; hot paths go without it.
    #[must_use]
    pub fn before(mut self, before: Before<S>) -> Self {
        self.before = Some(before);
        self
    }

    /// Registers an operation's handler.
    ///
    /// # Panics
    /// Where the operation has a handler already and, in debug builds, where the model lacks it: any test of
    /// the service finds both.
    #[must_use]
    pub fn on<I, O, H>(self, operation: &'static str, handler: H) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        H: for<'a> Handler<'a, S, I, O>,
    {
        self.register(operation, handler, |output| Answer::Output(Box::new(output)))
    }

    /// Registers the handler of an operation whose output is an event stream.
    ///
    /// # Panics
    /// As [`Builder::on`].
    #[must_use]
    pub fn on_events<I, H>(self, operation: &'static str, handler: H) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        H: for<'a> Handler<'a, S, I, Events>,
    {
        self.register(operation, handler, Answer::Events)
    }

    fn register<I, O, H>(mut self, operation: &'static str, handler: H, answer: fn(O) -> Answer) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Send + 'static,
        H: for<'a> Handler<'a, S, I, O>,
    {
        let name = self.service.name;
        if cfg!(debug_assertions) {
            assert!(
                self.service.model().operations.contains_key(operation),
                "the model of {name} has no {operation}"
            );
        }
        let (state, before) = (self.state.clone(), self.before);
        let handler = Arc::new(handler);
        let handle: Handle = Box::new(move |context, input| {
            let (state, handler) = (state.clone(), handler.clone());
            Box::pin(async move {
                let call = Call::new(state, context);
                if let Some(before) = before {
                    before(&call, operation, &input)?;
                }
                let input = json::input::<I>(name, operation, input)?;
                handler.invoke(&call, input).await.map(answer)
            })
        });
        let before = self.service.handlers.insert(operation, handle);
        assert!(before.is_none(), "{name} registers {operation} twice");
        self
    }

    /// Adds a hot path for awsJson bodies: it parses the raw body itself, and returns `None` for anything that
    /// is not ordinary, which then goes the common way.
    #[must_use]
    pub fn fast<H: for<'a> FastHandler<'a, S>>(mut self, operation: &'static str, handler: H) -> Self {
        let name = self.service.name;
        assert!(
            self.service.has(operation),
            "{name} has a hot path for {operation} and no handler"
        );
        let state = self.state.clone();
        let handler = Arc::new(handler);
        let fast: Fast = Box::new(move |context, body| {
            let (state, handler) = (state.clone(), handler.clone());
            Box::pin(async move {
                let call = Call::new(state, context);
                handler.invoke(&call, &body).await
            })
        });
        let before = self.service.fast.insert(operation, fast);
        assert!(before.is_none(), "{name} registers the hot path of {operation} twice");
        self
    }

    /// Sets the code of validation errors where the service's is not `ValidationException`.
    #[must_use]
    pub fn validation_code(mut self, code: &'static str) -> Self {
        self.service.validation_code = code;
        self
    }

    pub fn build(self) -> Service {
        self.service
    }
}
