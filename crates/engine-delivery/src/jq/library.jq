# What jq 1.6 defines in its own language, one definition to a paragraph. Each does what jq's does, which matters down to
# the order in which several outputs come, what may stand in a path, and which errors end what.

def map(f): [.[] | f];

def select(f): if f then . else empty end;

def map_values(f): .[] |= f;

def recurse(f): def all: ., (f | all); all;

def recurse(f; keep): recurse(f | select(keep));

def recurse: recurse(.[]?);

def recurse_down: recurse;

def values: select(. != null);

def nulls: select(. == null);

def booleans: select(type == "boolean");

def numbers: select(type == "number");

def strings: select(type == "string");

def arrays: select(type == "array");

def objects: select(type == "object");

def iterables: select(type == "array" or type == "object");

def scalars: select(type != "array" and type != "object");

def scalars_or_empty: select((type != "array" and type != "object") or length == 0);

def isfinite: type == "number" and (isinfinite | not);

def finites: select(isfinite);

def normals: select(isnormal);

def del(f): delpaths([path(f)]);

def paths: path(recurse(iterables | .[])) | select(length > 0);

def paths(keep): . as $whole | paths | . as $path | select($whole | getpath($path) | keep);

def leaf_paths: paths(scalars);

def with_entries(f): to_entries | map(f) | from_entries;

def sort_by(f): _sort_by(map([f]));

def group_by(f): _group_by(map([f]));

def unique: unique_by(.);

def unique_by(f): group_by(f) | map(.[0]);

def min_by(f): _min_by(map([f]));

def max_by(f): _max_by(map([f]));

def indices($part):
  ($part | type) as $type
  | if type == "string" and $type == "string" then _indices_in_text($part)
    elif type == "array" and $type != "array" then .[[$part]]
    else .[$part]
    end;

def index($part): indices($part) | .[0];

def rindex($part): indices($part) | .[-1:][0];

def first: .[0];

def last: .[-1];

def nth($at): .[$at];

def first(f): label $found | f | ., break $found;

def last(f): reduce f as $each (null; $each);

def nth($at; f): if $at < 0 then error("nth doesn't support negative indices") else last(limit($at + 1; f)) end;

def isempty(f): 0 == ((label $found | f | (1, break $found)) // 0);

def limit($count; f):
  if $count < 0 then f
  else label $done | foreach f as $each ($count; . - 1; $each, if . <= 0 then break $done else empty end)
  end;

def until(done; next): def step: if done then . else next | step end; step;

def while(more; next): def step: if more then ., (next | step) else empty end; step;

def repeat(f): def again: f, again; again;

def range($upto): range(0; $upto);

def range($from; $upto; $by):
  if $by > 0 then $from | while(. < $upto; . + $by)
  elif $by < 0 then $from | while(. > $upto; . + $by)
  else empty
  end;

def any(f; holds):
  [label $known | foreach f as $each (false;
     if . then break $known elif $each | holds then true else . end;
     if . then . else empty end)]
  | length == 1;

def any(holds): any(.[]; holds);

def any: any(.);

def all(f; holds):
  [label $known | foreach f as $each (true;
     if not then break $known elif $each | holds then . else false end;
     if not then . else empty end)]
  | length == 0;

def all(holds): all(.[]; holds);

def all: all(.);

def in(holder): . as $key | holder | has($key);

def inside(holder): . as $part | holder | contains($part);

def combinations:
  if length == 0 then []
  else .[0][] as $first | (.[1:] | combinations) as $rest | [$first] + $rest
  end;

def combinations(count): . as $items | [range(count) | $items] | combinations;

def transpose:
  if . == [] then []
  else . as $rows
    | (map(length) | max) as $width
    | [range(0; $width) as $column | [range(0; $rows | length) as $row | $rows[$row][$column]]]
  end;

def walk(f):
  . as $whole
  | if type == "object" then
      reduce keys_unsorted[] as $key ({}; . + {($key): ($whole[$key] | walk(f))}) | f
    elif type == "array" then map(walk(f)) | f
    else f
    end;

def bsearch(wanted):
  if length == 0 then -1
  elif length == 1 then
    if wanted == .[0] then 0 elif wanted < .[0] then -1 else -2 end
  else . as $items
    | [0, length - 1, null]
    | until(.[0] > .[1];
        if .[2] != null then .[1] = -1
        else (((.[1] + .[0]) / 2) | floor) as $middle
          | $items[$middle] as $item
          | if $item == wanted then .[2] = $middle
            elif .[0] == .[1] then .[1] = -1
            elif $item < wanted then .[0] = $middle + 1
            else .[1] = $middle - 1
            end
        end)
    | if .[2] != null then .[2]
      elif $items[.[0]] < wanted then -2 - .[0]
      else -1 - .[0]
      end
  end;

def tostream:
  . as $whole
  | if (type != "array" and type != "object") or length == 0 then [[], $whole]
    else keys_unsorted as $keys
      | ($keys[] as $key | $whole[$key] | tostream | .[0] |= [$key] + .), [[$keys[-1]]]
    end;

def fromstream(events):
  foreach events as $event ([null, false, null, false];
    (if ($event[0] | length) == 0 then [null, false, .[2], .[3]]
     elif ($event | length) == 1 and ($event[0] | length) < 2 then [null, false, .[0], .[1]]
     else .
     end)
    | . as $state
    | if ($event | length) > 1 and ($event[0] | length) > 0 then
        [(.[0] | setpath($event | .[0]; $event | .[1])), true, $state[2], $state[3]]
      else .
      end;
    (if ($event[0] | length) == 1 and ($event | length == 1) and .[3] then .[2] else empty end),
    (if ($event[0] | length) == 0 then $event[1] else empty end));

def truncate_stream(events):
  . as $depth | null | events | . as $event
  | if (.[0] | length) > $depth then setpath([0]; $event[0][$depth:]) else empty end;

def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | if type != "string" then tojson else . end] |= $row);

def INDEX(key): INDEX(.[]; key);

def JOIN($index; key): [.[] | [., $index[key]]];

def JOIN($index; rows; key): rows | [., $index[key]];

def JOIN($index; rows; key; joined): rows | [., $index[key]] | joined;

def IN(those): reduce (first(select(. == those)) | true) as $found (false; if . or $found then true else false end);

def IN(these; those): reduce (these | IN(those)) as $found (false; if . or $found then true else false end);

def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");

def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%SZ") | mktime;

def todate: todateiso8601;

def fromdate: fromdateiso8601;

def match(pattern; flags): _match(pattern; flags; false) | .[];

def test(pattern; flags): _match(pattern; flags; true);

def capture(pattern; flags): match(pattern; flags) | _named;

def match($given): _pattern($given) as [$pattern, $flags] | match($pattern; $flags);

def test($given): _pattern($given) as [$pattern, $flags] | test($pattern; $flags);

def capture($given): _pattern($given) as [$pattern, $flags] | capture($pattern; $flags);

def _pattern($given):
  ($given | type) as $type
  | if $type == "string" then [$given, null]
    elif $type == "array" and ($given | length) > 0 then [$given[0], $given[1]]
    else error($type + " not a string or array")
    end;

def scan(pattern):
  match(pattern; "g") | if .captures | length > 0 then [.captures | .[] | .string] else .string end;

def splits($pattern): splits($pattern; null);

def splits($pattern; flags):
  . as $text
  | [0] + [match($pattern; "g" + flags) | (.offset, .offset + .length)] + [$text | length]
  | range(0; length; 2) as $at
  | $text[.[$at]:.[$at + 1]];

def split($pattern; flags): [splits($pattern; flags)];

def sub($pattern; with):
  . as $text
  | [match($pattern)]
  | if length == 0 then $text
    else .[0] as $found
      | ($found | _named)
      | $text[0:$found.offset] + with + $text[$found.offset + $found.length:]
    end;

def gsub($pattern; with): sub($pattern; with; "g");

def gsub($pattern; with; flags): sub($pattern; with; flags + "g");

def sub($pattern; with; flags):
  (flags | index("g")) as $goes_on
  | (flags | if $goes_on then [explode[] | select(. != 103)] | implode else . end) as $flags
  | def replaced:
      . as $text
      | [match($pattern; $flags)]
      | if length == 0 then $text
        else .[0] as $found
          | ($found | .offset + .length) as $behind
          | ($found | _named)
          | $text[0:$found.offset] + with + ($text[$behind:] | if length > 0 and $goes_on then replaced else . end)
        end;
    replaced;

def pow10: error("pow10 is not there");
