use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MethodDescriptorProto, MethodOptions, OneofDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use super::*;

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    let name = Some(name.to_owned());
    FieldDescriptorProto { name, number: Some(number), r#type: Some(kind.into()), ..FieldDescriptorProto::default() }
}

fn of_type(name: &str, number: i32, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(type_name.to_owned()), ..field(name, number, Type::Message) }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field, ..DescriptorProto::default() }
}

fn method(name: &str, input: &str, output: &str) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(input.to_owned()),
        output_type: Some(output.to_owned()),
        ..MethodDescriptorProto::default()
    }
}

/// A shop with what messages can have.
fn shop() -> DescriptorPool {
    let mut query = message(
        "Query",
        vec![
            field("free_text", 1, Type::String),
            FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field("skus", 2, Type::String) },
            FieldDescriptorProto { type_name: Some(".shop.v1.Size".into()), ..field("size", 3, Type::Enum) },
            of_type("since", 4, ".google.protobuf.Timestamp"),
            field("least", 5, Type::Int64),
            FieldDescriptorProto { oneof_index: Some(0), ..field("by_name", 6, Type::Bool) },
            FieldDescriptorProto { oneof_index: Some(0), ..field("by_price", 7, Type::Bool) },
            field("cursor", 8, Type::Bytes),
        ],
    );
    query.oneof_decl.push(OneofDescriptorProto { name: Some("order".into()), options: None });
    let product = message(
        "Product",
        vec![
            field("sku", 1, Type::String),
            field("price", 2, Type::Double),
            field("sold", 3, Type::Uint64),
            of_type("parent", 4, ".shop.v1.Product"),
        ],
    );
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        options: None,
    };
    let size = EnumDescriptorProto {
        name: Some("Size".into()),
        value: vec![value("SMALL", 0), value("LARGE", 1)],
        ..EnumDescriptorProto::default()
    };
    let mut get = method("GetProduct", ".shop.v1.Query", ".shop.v1.Product");
    get.options = Some(MethodOptions {
        idempotency_level: Some(IdempotencyLevel::NoSideEffects.into()),
        ..MethodOptions::default()
    });
    let mut watch = method("WatchProducts", ".google.protobuf.Empty", ".shop.v1.Product");
    watch.server_streaming = Some(true);
    let mut upload = method("Upload", ".shop.v1.Product", ".google.protobuf.Empty");
    upload.client_streaming = Some(true);
    let service = |name: &str, method: Vec<MethodDescriptorProto>| ServiceDescriptorProto {
        name: Some(name.to_owned()),
        method,
        options: None,
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".into()),
        package: Some("shop.v1".into()),
        syntax: Some("proto3".into()),
        dependency: vec!["google/protobuf/empty.proto".into(), "google/protobuf/timestamp.proto".into()],
        message_type: vec![query, product],
        enum_type: vec![size],
        service: vec![
            service("Catalogue", vec![get, watch, upload]),
            service("Archive", vec![method("GetProduct", ".shop.v1.Query", ".google.protobuf.Empty")]),
        ],
        ..FileDescriptorProto::default()
    };
    let mut pool = DescriptorPool::global();
    pool.add_file_descriptor_proto(file).expect("a good file");
    pool
}

#[test]
fn methods_become_tools_that_people_can_read() {
    let options = Options { url: Url::parse("grpc://localhost:5000").ok(), ..Options::default() };
    let proposal = import(&shop(), &options).expect("a spec");
    let said: Vec<String> = proposal.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["left out: it takes a stream of requests, which a call of a tool can't send (at shop.v1.Catalogue/Upload)"]
    );
    insta::assert_snapshot!(proposal.spec.canonical_yaml());
}

/// `url` takes an address for a name where it does not know the scheme.
#[test]
fn an_address_of_this_machine_is_one_whatever_the_scheme() {
    for (url, private) in [
        ("grpc://127.0.0.1:5000", true),
        ("grpcs://[::1]:5000", true),
        ("http://10.0.0.1", true),
        ("grpc://localhost", true),
        ("grpcs://api.example.com", false),
        ("grpc://8.8.8.8:443", false),
    ] {
        assert_eq!(network::is_private(&Url::parse(url).expect(url)), private, "{url}");
    }
}

#[test]
fn services_are_chosen_and_none_is_said() {
    let chosen = |pattern: &str| {
        let options = Options { services: vec![pattern.to_owned()], ..Options::default() };
        import(&shop(), &options).map(|proposal| proposal.spec.tools.len())
    };
    assert_eq!(chosen("shop.*").ok(), Some(3));
    assert_eq!(chosen("*.Archive").ok(), Some(1));
    let none = chosen("other.*").expect_err("nothing fits");
    let said = "none of the 2 services was chosen: no service fits `other.*` (the services are `shop.v1.";
    assert!(none[0].message.contains(said), "{none:?}");
}

/// Whatever depth a server claims, a schema has an end.
#[test]
fn a_message_within_itself_ends() {
    let answer = schema::answer(&shop().get_message_by_name("shop.v1.Product").expect("known"), &Comments::default());
    let text = answer.expect("fields").to_string();
    assert!(text.len() < 1_000 && text.contains("A shop.v1.Product"), "{}", text.len());
}
