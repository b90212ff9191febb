//! Fields of rows, and what they are called.

use super::*;

#[tokio::test]
async fn a_field_of_a_row_is_a_column_of_its_name() {
    let lake = Lake::open().await;
    lake.put(
        "t/a.json",
        r#"{"id": 1, "dev": {"os": "linux", "cpu": {"cores": 4}}, "items": [{"sku": "x", "of": {"n": 7}}]}"#,
    )
    .await;
    lake.lines(
        "create external table t (id int, dev struct<os:string,cpu:struct<cores:int>>, \
         items array<struct<sku:string,of:struct<n:int>>>) \
         row format serde 'org.openx.data.jsonserde.JsonSerDe' location 's3://lake/t/'",
    )
    .await;
    for (query, names, row) in [
        ("select id, dev.os from t", "id os", "1|linux"),
        ("select t.id, t.dev.os from t", "id os", "1|linux"),
        ("select x.dev.cpu.cores, x.id from default.t as x", "cores id", "4|1"),
        (
            "select default.t.id, default.t.dev.os from default.t",
            "id os",
            "1|linux",
        ),
        (
            "select a.dev.os, b.dev.os, b.id from t a join t b on a.id = b.id",
            "os os id",
            "linux|linux|1",
        ),
        (
            "select os, n from (select dev.os, count(*) as n from t group by dev.os)",
            "os n",
            "linux|1",
        ),
        // Names that something else has.
        (
            "select count(*) from (select os, t.dev.os from (select id as os, dev from t) as t)",
            "_col0",
            "1",
        ),
        (
            "with x as (select id, a.dev.os, b.dev.os from (select * from t) a cross join (select dev from t) b) select id from x",
            "id",
            "1",
        ),
        (
            "select count(*) from (select os, dev.os from (select 'a' as os, dev from t) as y union all select 'b', dev.os from t)",
            "_col0",
            "2",
        ),
        (
            "select dev.os from (select id as os, dev from t) as y order by y.os",
            "os",
            "linux",
        ),
        (
            "select *, dev.os from (select id, dev from t)",
            "id dev os",
            "1|{os=linux, cpu={cores=4}}|linux",
        ),
        // Columns of one name, told apart by their tables.
        (
            "select count(*) from (select a.id, b.id from t a join t b on a.id = b.id) as x",
            "_col0",
            "1",
        ),
        (
            "select u.x, dev.os from t cross join unnest(array[7]) as u(x) order by dev.os",
            "x os",
            "7|linux",
        ),
        ("select items[1].sku, items[1].of.n from t", "sku n", "x|7"),
        (
            "select element_at(items, 1).sku from t where t.items[1].Sku = 'x'",
            "sku",
            "x",
        ),
        ("select x.i.of.n from (select items[1] as i from t) x", "n", "7"),
        ("select (dev).cpu.cores from t", "cores", "4"),
        ("select distinct dev.os from t order by dev.os", "os", "linux"),
        (
            "select distinct t.dev.os as o, id from t order by t.dev.os desc, 2",
            "o id",
            "linux|1",
        ),
        (
            "select distinct upper(dev.os) from t order by upper(dev.os)",
            "_col0",
            "LINUX",
        ),
    ] {
        let answer = lake.ask(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        let given: Vec<_> = answer.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(given.join(" "), names, "{query}");
        assert_eq!(lake.lines(query).await, [row], "{query}");
    }
}
