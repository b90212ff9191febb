//! Uploads in parts.

use super::*;

#[tokio::test]
async fn multipart_uploads_follow_their_rules() {
    let f = Fixture::new().await;
    let part = |number: u32, content: Bytes, id: String| {
        let objects = f.objects.clone();
        async move {
            let mut writer = objects.begin_part("lake", "big", &id, number, None)?;
            writer.write(content).await?;
            writer.finish(Expected::default()).await
        }
    };
    let options = UploadOptions {
        algorithm: Some(Algorithm::Crc32),
        ..UploadOptions::default()
    };
    let id = f.objects.create_upload("lake", "big", options).await.expect("begins");
    let first = Bytes::from(vec![1; PART_BYTES_MIN as usize]);
    part(1, Bytes::from_static(b"replaced"), id.clone())
        .await
        .expect("uploads");
    let one = part(1, first.clone(), id.clone()).await.expect("uploads");
    let two = part(2, Bytes::from_static(b"two"), id.clone()).await.expect("uploads");
    let three = part(3, Bytes::from_static(b"three"), id.clone())
        .await
        .expect("uploads");
    let named = |part: &UploadPart| CompletePart {
        number: part.number,
        etag: part.etag.clone(),
        checksum: None,
    };
    let complete = |parts: Vec<CompletePart>| {
        let complete = CompleteUpload {
            parts,
            ..CompleteUpload::default()
        };
        f.objects.complete_upload("lake", "big", &id, complete)
    };
    assert!(matches!(complete(vec![]).await, Err(ObjectError::NoParts)));
    assert!(matches!(
        complete(vec![named(&two), named(&one)]).await,
        Err(ObjectError::InvalidPartOrder)
    ));
    assert!(matches!(
        complete(vec![named(&one), named(&two), named(&three)]).await,
        Err(ObjectError::PartTooSmall { number: 2, .. })
    ));
    let wrong = CompletePart {
        etag: two.etag.clone(),
        ..named(&one)
    };
    assert!(matches!(
        complete(vec![wrong]).await,
        Err(ObjectError::InvalidPart { number: 1 })
    ));
    assert!(matches!(
        complete(vec![
            named(&one),
            CompletePart {
                number: 9,
                ..named(&two)
            }
        ])
        .await,
        Err(ObjectError::InvalidPart { number: 9 })
    ));
    let page = f
        .objects
        .uploads(
            "lake",
            UploadsQuery {
                limit: 10,
                ..UploadsQuery::default()
            },
        )
        .await
        .expect("lists");
    assert_eq!(page.uploads.len(), 1);
    // Parts survive a crash.
    let crashed = f.crash();
    assert_eq!(
        crashed
            .objects
            .upload_parts("lake", "big", &id, 0, 10)
            .expect("lists")
            .len(),
        3
    );
    assert_eq!(crashed.files().len(), 3);

    let info = complete(vec![named(&one), named(&three)]).await.expect("completes");
    let whole = [first.as_ref(), b"three"].concat();
    let digests = [digest::md5(&first), digest::md5(b"three")].concat();
    assert_eq!(info.etag, format!("{}-2", hex::encode(digest::md5(&digests))));
    assert_eq!(
        info.checksum,
        Some(Checksum::full(Algorithm::Crc32, checksum(Algorithm::Crc32, &whole)))
    );
    assert_eq!(f.objects.get_bytes("lake", "big").await.expect("reads"), whole);
    assert_eq!(
        f.objects.object_part_range(&info, 3).expect("reads"),
        Some(PART_BYTES_MIN..PART_BYTES_MIN + 5)
    );
    // Whoever missed the answer gets it again, unless the call is another or the object is another.
    assert_eq!(
        complete(vec![named(&one), named(&three)]).await.expect("is completed"),
        info
    );
    assert!(matches!(
        complete(vec![named(&one)]).await,
        Err(ObjectError::NoSuchUpload(_))
    ));
    assert_eq!(f.files(), BTreeSet::from(["lake/big".to_owned()]));
    f.put("big", "another").await;
    assert!(matches!(
        complete(vec![named(&one), named(&three)]).await,
        Err(ObjectError::NoSuchUpload(_))
    ));

    let id = f
        .objects
        .create_upload("lake", "big", UploadOptions::default())
        .await
        .expect("begins");
    part(1, Bytes::from_static(b"x"), id.clone()).await.expect("uploads");
    f.objects.abort_upload("lake", "big", &id).await.expect("aborts");
    assert!(matches!(
        f.objects.abort_upload("lake", "big", &id).await,
        Err(ObjectError::NoSuchUpload(_))
    ));
    assert!(matches!(
        part(1, Bytes::new(), id).await,
        Err(ObjectError::NoSuchUpload(_))
    ));
    assert_eq!(f.files(), BTreeSet::from(["lake/big".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_complete_an_upload_at_once_get_the_same_answer() {
    let f = Fixture::new().await;
    let id = f
        .objects
        .create_upload("lake", "k", UploadOptions::default())
        .await
        .expect("begins");
    let mut writer = f.objects.begin_part("lake", "k", &id, 1, None).expect("begins");
    writer.write(Bytes::from(vec![7; 1 << 20])).await.expect("writes");
    let part = writer.finish(Expected::default()).await.expect("uploads");
    let complete = || CompleteUpload {
        parts: vec![CompletePart {
            number: 1,
            etag: part.etag.clone(),
            checksum: None,
        }],
        condition: Condition::create(),
        ..CompleteUpload::default()
    };
    // One caller goes away as soon as its call is under way.
    let gone = f.objects.complete_upload("lake", "k", &id, complete());
    assert!(tokio::time::timeout(std::time::Duration::ZERO, gone).await.is_err());
    let calls = (0..8).map(|_| f.objects.complete_upload("lake", "k", &id, complete()));
    let answers: Vec<_> = futures::future::join_all(calls).await;
    let ids: BTreeSet<_> = answers
        .into_iter()
        .map(|answer| answer.expect("completes").id)
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(f.files(), BTreeSet::from(["lake/k".to_owned()]));
}
