use base::Clock;
use store_meta::Meta;

#[test]
fn what_is_not_built_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let meta = Meta::open(dir.path().join("meta.redb")).unwrap();
    let service = crate::service(crate::Glue::new(engine_catalog::Catalog::new(meta, Clock::system())));
    protocol_aws::testing::check_unimplemented(&service, include_str!("../unimplemented.txt"));
}
