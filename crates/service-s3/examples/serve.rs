//! Serves S3 alone, for trying clients against it: `cargo run -p service-s3 --example serve -- ADDRESS DIRECTORY`.

use std::convert::Infallible;
use std::path::PathBuf;

use base::{Clock, Random, Tasks};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use protocol_aws::Gateway;
use service_s3::S3Service;
use store_meta::Meta;
use store_objects::Objects;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("which address?")?;
    let dir = PathBuf::from(arguments.next().ok_or("which directory?")?);
    std::fs::create_dir_all(&dir)?;
    let (tasks, random) = (Tasks::new(), Random::from_os());
    let meta = Meta::open(dir.join("meta.redb"))?;
    let objects = Objects::open(
        &dir.join("objects"),
        meta,
        Clock::system(),
        random.clone(),
        tasks.clone(),
    )?;
    let service = S3Service::new(objects, random.clone());
    let gateway = Gateway::builder(Clock::system(), random, tasks.clone())
        .s3(Box::new(move |request| {
            let service = service.clone();
            Box::pin(async move { service.call(request).await })
        }))
        .build();
    let listener = tokio::net::TcpListener::bind(&address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let gateway = gateway.clone();
        tasks.spawn(async move {
            let answer = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let gateway = gateway.clone();
                let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
                async move { Ok::<_, Infallible>(gateway.handle(request).await) }
            });
            let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no news.
            connection.serve_connection(TokioIo::new(stream), answer).await.ok();
        });
    }
}
