use serde_json::json;

use super::*;

const NO_CAPS: Caps = Caps { max_rows: None, max_bytes: None, page_size: None };

fn write(
    returns: Option<Value>,
    caps: Caps,
    columns: &[&str],
    rows: &[&[Cell<'_>]],
) -> Result<(String, Option<Cut>), String> {
    let mut writer = RowWriter::new(Arc::new(Layouts::new(Shape::of_rows(returns.as_ref()))), caps);
    let column = |name: &&str| mcp_factory_connect::sql::Column { name: (*name).into(), type_name: "".into() };
    writer.columns(&columns.iter().map(column).collect());
    for row in rows {
        writer.begin_row();
        for (index, cell) in row.iter().enumerate() {
            writer.cell(index, *cell);
        }
        if writer.end_row().is_break() {
            break;
        }
    }
    let rows = writer.finish()?;
    Ok((format!("[{}]", String::from_utf8(rows.json).unwrap()), rows.cut))
}

fn one(returns: Value, cell: Cell<'_>) -> String {
    let returns = json!({ "type": "array", "items": { "type": "object", "properties": { "x": returns } } });
    write(Some(returns), NO_CAPS, &["x"], &[&[cell]]).unwrap().0
}

#[test]
fn numbers_beyond_2_to_the_53_keep_every_digit() {
    assert_eq!(one(json!({}), Cell::I64(9_007_199_254_740_993)), r#"[{"x":9007199254740993}]"#);
    assert_eq!(one(json!({}), Cell::U64(u64::MAX)), r#"[{"x":18446744073709551615}]"#);
    assert_eq!(one(json!({}), Cell::Decimal("0.10000000000000000000001")), r#"[{"x":"0.10000000000000000000001"}]"#);
    assert_eq!(one(json!({ "type": "number" }), Cell::Decimal("12.50")), r#"[{"x":12.50}]"#);
    assert_eq!(one(json!({ "type": "number" }), Cell::Decimal("NaN")), r#"[{"x":"NaN"}]"#);
}

#[test]
fn a_value_is_written_as_the_type_that_returns_asks_for() {
    assert_eq!(one(json!({ "type": "string" }), Cell::I64(7)), r#"[{"x":"7"}]"#);
    assert_eq!(one(json!({ "type": "boolean" }), Cell::I64(1)), r#"[{"x":true}]"#);
    assert_eq!(one(json!({}), Cell::F64(3.0)), r#"[{"x":3.0}]"#);
    assert_eq!(one(json!({}), Cell::F32(0.1)), r#"[{"x":0.1}]"#);
    assert_eq!(one(json!({}), Cell::F64(1e300)), r#"[{"x":1e+300}]"#, "as `docs/types.md` has it");
    assert_eq!(one(json!({ "type": "integer" }), Cell::F64(3.0)), r#"[{"x":3}]"#);
    assert_eq!(one(json!({ "type": "integer" }), Cell::F64(3.5)), r#"[{"x":3.5}]"#);
    assert_eq!(one(json!({ "type": "string" }), Cell::F64(3.0)), r#"[{"x":"3.0"}]"#);
    assert_eq!(one(json!({ "type": "string" }), Cell::F64(f64::NAN)), r#"[{"x":"NaN"}]"#);
    assert_eq!(one(json!({ "type": "string" }), Cell::Bool(true)), r#"[{"x":"true"}]"#);
    assert_eq!(one(json!({}), Cell::Bytes(&[0, 255, 16])), r#"[{"x":"AP8Q"}]"#);
    assert_eq!(one(json!({ "type": "number" }), Cell::Text("1.5")), r#"[{"x":1.5}]"#);
    assert_eq!(one(json!({ "type": "array" }), Cell::Text("[1, 2]")), r#"[{"x":[1,2]}]"#);
    assert_eq!(one(json!({ "type": "array" }), Cell::Text("[1, 2")), r#"[{"x":"[1, 2"}]"#);
    assert_eq!(one(json!({ "type": "string" }), Cell::Json("\"a\"")), r#"[{"x":"a"}]"#);
}

#[test]
fn columns_that_returns_does_not_list_are_dropped() {
    let returns = json!({ "type": "array", "items": { "type": "object", "properties": { "id": {} } } });
    let rows = write(Some(returns), NO_CAPS, &["id", "secret"], &[&[Cell::I64(1), Cell::Text("s")]]);
    assert_eq!(rows.unwrap().0, r#"[{"id":1}]"#);
}

#[test]
fn a_null_is_left_out_where_it_would_break_the_schema_and_is_a_fault_where_it_is_required() {
    assert_eq!(one(json!({ "type": "string" }), Cell::Null), "[{}]");
    assert_eq!(one(json!({ "type": ["string", "null"] }), Cell::Null), r#"[{"x":null}]"#);
    let returns = json!({ "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"] });
    assert!(write(Some(returns.clone()), NO_CAPS, &["x"], &[&[Cell::Null]]).unwrap_err().contains("`x` is null"));
    assert!(write(Some(returns), NO_CAPS, &["y"], &[&[Cell::Null]]).unwrap_err().contains("no column `x`"));
}

#[test]
fn the_caps_cut_whole_rows() {
    let rows: &[&[Cell<'_>]] = &[&[Cell::I64(1)], &[Cell::I64(2)], &[Cell::I64(3)]];
    let cut = |caps| write(None, caps, &["x"], rows).unwrap();
    assert_eq!(cut(Caps { max_rows: Some(2), ..NO_CAPS }), (r#"[{"x":1},{"x":2}]"#.to_owned(), Some(Cut::Rows)));
    assert_eq!(cut(Caps { max_bytes: Some(16), ..NO_CAPS }), (r#"[{"x":1},{"x":2}]"#.to_owned(), Some(Cut::Bytes)));
    assert_eq!(cut(Caps { page_size: Some(2), ..NO_CAPS }), (r#"[{"x":1},{"x":2}]"#.to_owned(), Some(Cut::Page)));
    assert_eq!(cut(Caps { max_rows: Some(3), ..NO_CAPS }).1, None);
}
