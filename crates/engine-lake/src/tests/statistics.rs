//! Statistics as the log has them.

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array, TimestampMicrosecondArray,
};

use super::*;

async fn check(column: ArrayRef, expect: Value) {
    let f = Fixture::new().await;
    let schema = Schema::new(vec![Field::new("a", column.data_type().clone(), true)]);
    let spec = TableSpec {
        schema: Arc::new(schema),
        partition_columns: Vec::new(),
        name: None,
    };
    let file = AddedFile {
        path: "a.parquet".to_owned(),
        bytes: parquet(vec![("a", column)]),
        partition_values: BTreeMap::new(),
    };
    f.open(&spec)
        .await
        .expect("a table")
        .append("a", 1, vec![file])
        .await
        .expect("commits");
    let add = f.actions("add").await.remove(0);
    let stats = add["stats"].as_str().expect("text");
    let mut found: Value = serde_json::from_str(stats).expect("JSON");
    let mut of = |name: &str| found[name]["a"].take();
    let found = json!([of("minValues"), of("maxValues"), of("nullCount")]);
    assert_eq!(found, expect, "{stats}");
}

#[tokio::test]
async fn of_each_type() {
    let none = Value::Null;
    check(
        Arc::new(Int64Array::from(vec![Some(3), None, Some(-1)])),
        json!([-1, 3, 1]),
    )
    .await;
    check(Arc::new(Int8Array::from(vec![7])), json!([7, 7, 0])).await;
    check(Arc::new(Int64Array::from(vec![None, None])), json!([none, none, 2])).await;
    check(
        Arc::new(StringArray::from(vec!["b", "\"a\"", "é"])),
        json!(["\"a\"", "é", 0]),
    )
    .await;
    // Of floats the greatest may be NaN.
    check(Arc::new(Float64Array::from(vec![1.5, f64::NAN])), json!([1.5, none, 0])).await;
    check(
        Arc::new(Float64Array::from(vec![f64::NEG_INFINITY, 1.0])),
        json!([none, none, 0]),
    )
    .await;
    let decimals = Decimal128Array::from(vec![1_234, -5])
        .with_precision_and_scale(22, 2)
        .expect("fits");
    check(Arc::new(decimals), json!([-0.05, 12.34, 0])).await;
    check(
        Arc::new(Date32Array::from(vec![0, 15_736])),
        json!(["1970-01-01", "2013-01-31", 0]),
    )
    .await;
    check(
        Arc::new(Date32Array::from(vec![0, 5_000_000])),
        json!(["1970-01-01", none, 0]),
    )
    .await;
    let times = || TimestampMicrosecondArray::from(vec![1, 1_359_590_400_000_000]);
    let expect = json!(["1970-01-01T00:00:00.000001", "2013-01-31T00:00:00", 0]);
    check(Arc::new(times()), expect).await;
    let expect = json!(["1970-01-01T00:00:00.000001Z", "2013-01-31T00:00:00Z", 0]);
    check(Arc::new(times().with_timezone("UTC")), expect).await;
    check(Arc::new(BooleanArray::from(vec![true, false])), json!([none, none, 0])).await;
    check(Arc::new(BinaryArray::from(vec![&b"x"[..]])), json!([none, none, 0])).await;
}

#[tokio::test]
async fn long_text_is_cut_to_bounds() {
    let f = Fixture::new().await;
    let table = f.open(&spec()).await.expect("a table");
    let long = "z".repeat(1_000);
    let pages = Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef;
    let bytes = parquet(vec![("page", pages)]);
    table
        .append(
            "a",
            1,
            vec![AddedFile {
                bytes,
                ..file("a.parquet", &[])
            }],
        )
        .await
        .expect("commits");
    let add = f.actions("add").await.remove(0);
    let stats: Value = serde_json::from_str(add["stats"].as_str().expect("text")).expect("JSON");
    let bound = |name: &str| stats[name]["page"].as_str().expect("text").to_owned();
    assert!(*bound("minValues") < *long && *long < *bound("maxValues"));
    assert!(bound("minValues").len() < 100 && bound("maxValues").len() < 100);
}
