//! RecordIO-Protobuf before Google's own protocol buffers, both ways.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, ListArray, RecordBatch};
use arrow::datatypes::Float64Type;
use engine_formats::{RecordIoOptions, TensorType, read_record_io, write_record_io};

use crate::python;

/// The messages as SageMaker's developer guide defines them. Of each file `ours.*` the records are printed, and written
/// again by the library as `theirs.*`.
const THROUGH_GOOGLE: &str = "
import pathlib, struct, sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
F = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name='record.proto', package='aialgs.data', syntax='proto2')
def message(name, *fields, within=file.message_type):
    made = within.add(name=name)
    for number, field, kind, label, options in fields:
        made.field.add(name=field, number=number, type=kind, label=label, **options)
    return made
repeated, optional = F.LABEL_REPEATED, F.LABEL_OPTIONAL
packed = {'options': descriptor_pb2.FieldOptions(packed=True)}
for name, kind in ('Float32Tensor', F.TYPE_FLOAT), ('Float64Tensor', F.TYPE_DOUBLE), ('Int32Tensor', F.TYPE_INT32):
    message(name, (1, 'values', kind, repeated, packed), (2, 'keys', F.TYPE_UINT64, repeated, packed),
            (3, 'shape', F.TYPE_UINT64, repeated, packed))
value = message('Value', *(
    (number, field, F.TYPE_MESSAGE, optional, {'type_name': f'.aialgs.data.{kind}', 'oneof_index': 0})
    for number, field, kind in ((2, 'float32_tensor', 'Float32Tensor'), (3, 'float64_tensor', 'Float64Tensor'),
                                (7, 'int32_tensor', 'Int32Tensor'))))
value.oneof_decl.add(name='value')
record = message('Record', *(
    (number, field, F.TYPE_MESSAGE, repeated, {'type_name': f'.aialgs.data.Record.{entry}'})
    for number, field, entry in ((1, 'features', 'FeaturesEntry'), (2, 'label', 'LabelEntry'))))
for entry in 'FeaturesEntry', 'LabelEntry':
    made = message(entry, (1, 'key', F.TYPE_STRING, optional, {}),
                   (2, 'value', F.TYPE_MESSAGE, optional, {'type_name': '.aialgs.data.Value'}), within=record.nested_type)
    made.options.map_entry = True
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Record = message_factory.GetMessageClass(pool.FindMessageTypeByName('aialgs.data.Record'))
for path in sorted(pathlib.Path(sys.argv[1]).glob('ours.*')):
    data, at, out = path.read_bytes(), 0, b''
    while at < len(data):
        magic, length = struct.unpack_from('<II', data, at)
        assert magic == 0xced7230a
        one = Record.FromString(data[at + 8:at + 8 + length])
        at += 8 + (length + 3) // 4 * 4
        for part in one.features, one.label:
            for name, tensor in part.items():
                kind = tensor.WhichOneof('value')
                print(path.suffix, name, kind, *getattr(tensor, kind).values)
        again = one.SerializeToString(deterministic=True)
        out += struct.pack('<II', magic, len(again)) + again + bytes(-len(again) % 4)
    path.with_stem('theirs').write_bytes(out)
";

fn scalars() -> RecordBatch {
    let decimals = Decimal128Array::from(vec![125, -50, 0])
        .with_precision_and_scale(5, 2)
        .expect("decimals");
    let columns: [(&str, ArrayRef); 4] = [
        ("y", Arc::new(Int32Array::from(vec![Some(1), None, Some(-7)]))),
        ("a", Arc::new(Float64Array::from(vec![0.5, f64::MAX, -0.0]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("c", Arc::new(decimals)),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

fn lists() -> RecordBatch {
    let lists = vec![Some(vec![Some(1.0), Some(2.5)]), Some(vec![]), Some(vec![Some(3.0)])];
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
    RecordBatch::try_from_iter([("v", Arc::new(lists) as ArrayRef)]).expect("a batch")
}

#[test]
fn google_reads_ours_and_we_read_googles() {
    let Some(python) = python::interpreter() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let options = |label: Option<&str>, tensor| RecordIoOptions {
        label: label.map(str::to_owned),
        tensor,
    };
    let whole = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![i32::MIN, 300])) as ArrayRef)]);
    let cases = [
        ("double", scalars(), options(Some("y"), TensorType::Float64)),
        ("float", lists(), options(None, TensorType::Float32)),
        ("int", whole.expect("a batch"), options(None, TensorType::Int32)),
    ];
    for (name, batch, options) in &cases {
        let written = write_record_io(batch, options).expect("writes");
        fs::write(directory.path().join(format!("ours.{name}")), written).expect("writes");
    }
    let printed = python::run(&python, THROUGH_GOOGLE, directory.path());
    let expect = "\
.double values float64_tensor 0.5 1.0 1.25
.double values float64_tensor 1.0
.double values float64_tensor 1.7976931348623157e+308 0.0 -0.5
.double values float64_tensor -0.0 1.0 0.0
.double values float64_tensor -7.0
.float values float32_tensor 1.0 2.5
.float values float32_tensor
.float values float32_tensor 3.0
.int values int32_tensor -2147483648
.int values int32_tensor 300
";
    assert_eq!(printed, expect);
    for (name, batch, options) in &cases {
        let theirs = fs::read(directory.path().join(format!("theirs.{name}"))).expect("a file");
        let (read, rejected) = read_record_io(&theirs, &batch.schema(), options).expect("reads");
        assert!(rejected.is_empty(), "{rejected:?}");
        assert_eq!(&read, batch, "{name}");
    }
}
