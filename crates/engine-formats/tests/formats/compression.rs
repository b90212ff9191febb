//! Compressed objects before Python's own modules and PyArrow's codecs, both ways.

use std::fs;

use engine_formats::Compression;

use crate::python;

/// What is compressed is the file `plain`. What `ours.*` holds must be the same; `theirs.*` is made of it.
const BOTH_WAYS: &str = "
import bz2, gzip, io, pathlib, sys, zipfile
import pyarrow
directory = pathlib.Path(sys.argv[1])
plain = (directory / 'plain').read_bytes()
read = {
    'gz': gzip.decompress,
    'bz2': bz2.decompress,
    'zip': lambda data: zipfile.ZipFile(io.BytesIO(data)).read('entry'),
    'zst': lambda data: pyarrow.decompress(data, len(plain), 'zstd').to_pybytes(),
    'snappy': lambda data: pyarrow.decompress(data, len(plain), 'snappy').to_pybytes(),
}
for extension, decompress in read.items():
    assert decompress((directory / f'ours.{extension}').read_bytes()) == plain, extension
archive = io.BytesIO()
with zipfile.ZipFile(archive, 'w') as out:
    out.mkdir('inner')
    out.writestr('inner/stored', plain[:100], zipfile.ZIP_STORED)
    out.writestr('deflated', plain[100:], zipfile.ZIP_DEFLATED)
    out.comment = b'a comment'
written = {
    'gz': gzip.compress(plain, 9),
    'bz2': bz2.compress(plain),
    'zip': archive.getvalue(),
    'zst': pyarrow.compress(plain, 'zstd').to_pybytes(),
    'snappy': pyarrow.compress(plain, 'snappy').to_pybytes(),
}
for extension, data in written.items():
    (directory / f'theirs.{extension}').write_bytes(data)
";

#[test]
fn python_reads_ours_and_we_read_pythons() {
    let Some(python) = python::interpreter() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let plain: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    fs::write(directory.path().join("plain"), &plain).expect("writes");
    let kinds = [
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Zip,
        Compression::Zstd,
        Compression::RawSnappy,
    ];
    for kind in kinds {
        let packed = kind.compress(plain.clone(), "entry").expect("packs");
        fs::write(directory.path().join(format!("ours{}", kind.extension())), packed).expect("writes");
    }
    python::run(&python, BOTH_WAYS, directory.path());
    for kind in kinds {
        let name = format!("theirs{}", kind.extension());
        let packed = fs::read(directory.path().join(&name)).expect("a file");
        assert_eq!(Compression::detect(&name, &packed), kind);
        assert!(kind.decompress(&packed, plain.len()).expect("reads") == plain, "{name}");
    }
}
