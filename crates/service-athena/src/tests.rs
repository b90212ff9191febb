use base::{Clock, Random, Tasks};
use engine_catalog::Catalog;
use engine_sql::{Engine, Settings};
use store_meta::Meta;
use store_objects::Objects;

use crate::Athena;

#[tokio::test]
async fn what_is_not_built_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let meta = Meta::open(dir.path().join("meta.redb")).unwrap();
    let (clock, random, tasks) = (Clock::system(), Random::seeded(1), Tasks::new());
    let objects = Objects::open(
        &dir.path().join("objects"),
        meta.clone(),
        clock.clone(),
        random.clone(),
        tasks.clone(),
    )
    .unwrap();
    let catalog = Catalog::new(meta.clone(), clock.clone());
    let engine = Engine::open(catalog, objects.clone(), &Settings::new(dir.path().join("spill"))).unwrap();
    let athena = tokio::task::spawn_blocking(move || Athena::open(meta, engine, objects, clock, random, tasks))
        .await
        .unwrap();
    let service = crate::service(athena.unwrap());
    protocol_aws::testing::check_unimplemented(&service, include_str!("../unimplemented.txt"));
}
