"""usage: grpc_upstream.py [KEY]: a gRPC server of grpcio with reflection, on a free port that it prints. With a KEY it wants
that as a bearer token. Its messages have what messages can have."""

import sys
import time
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf import empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2  # noqa: F401: the pool has to know them
from grpc_reflection.v1alpha import reflection


def field(name, number, kind, label="OPTIONAL", **more):
    return {"name": name, "number": number, "type": f"TYPE_{kind}", "label": f"LABEL_{label}"} | more


def of(name, number, type_name, label="OPTIONAL", kind="MESSAGE", **more):
    return field(name, number, kind, label, typeName=type_name, **more)


ITEM = {
    "name": "Item",
    "field": [
        field("sku", 1, "STRING"),
        field("price", 2, "DOUBLE"),
        field("sold_units", 3, "UINT64"),
        field("change", 4, "SINT32"),
        field("picture", 5, "BYTES"),
        of("size", 6, ".shop.v1.Size", kind="ENUM"),
        of("labels", 7, ".shop.v1.Item.LabelsEntry", "REPEATED"),
        of("parts", 8, ".shop.v1.Item", "REPEATED"),
        of("made", 9, ".google.protobuf.Timestamp"),
        of("note", 10, ".google.protobuf.StringValue"),
        of("more", 11, ".google.protobuf.Struct"),
        field("in_stock", 12, "INT32", oneofIndex=0),
        field("ordered_for", 13, "STRING", oneofIndex=0),
    ],
    "oneofDecl": [{"name": "availability"}],
    "nestedType": [
        {
            "name": "LabelsEntry",
            "field": [field("key", 1, "STRING"), field("value", 2, "INT64")],
            "options": {"mapEntry": True},
        }
    ],
}
FILE = {
    "name": "shop/v1/inventory.proto",
    "package": "shop.v1",
    "syntax": "proto3",
    "dependency": [f"google/protobuf/{name}.proto" for name in ("struct", "timestamp", "wrappers", "empty")],
    "enumType": [{"name": "Size", "value": [{"name": "SIZE_UNKNOWN", "number": 0}, {"name": "LARGE", "number": 1}]}],
    "messageType": [
        ITEM,
        {"name": "Count", "field": [field("items", 1, "INT32"), of("pattern", 2, ".shop.v1.Item")]},
    ],
    "service": [
        {
            "name": "Inventory",
            "method": [
                {"name": "EchoItem", "inputType": ".shop.v1.Item", "outputType": ".shop.v1.Item"},
                {"name": "ListItems", "inputType": ".shop.v1.Count", "outputType": ".shop.v1.Item", "serverStreaming": True},
                {"name": "AddItems", "inputType": ".shop.v1.Item", "outputType": ".shop.v1.Count", "clientStreaming": True},
                {"name": "Fail", "inputType": ".shop.v1.Item", "outputType": ".google.protobuf.Empty"},
                {"name": "Sleep", "inputType": ".shop.v1.Count", "outputType": ".google.protobuf.Empty"},
            ],
        }
    ],
}
pool = descriptor_pool.Default()
pool.Add(json_format.ParseDict(FILE, descriptor_pb2.FileDescriptorProto()))


def message(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


Item, Count, Empty = message("shop.v1.Item"), message("shop.v1.Count"), empty_pb2.Empty


def list_items(request, _):
    for number in range(request.items):
        item = Item()
        item.CopyFrom(request.pattern)
        item.sku = f"{item.sku}-{number}"
        yield item


def fail(request, context):
    said = dict(context.invocation_metadata())
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"not {request.sku}, {said.get('authorization', 'nobody')}")


def sleep(request, context):
    ended = time.monotonic() + request.items
    while context.is_active() and time.monotonic() < ended:
        time.sleep(0.02)
    print("slept" if context.is_active() else "cancelled", flush=True)
    return Empty()


class Key(grpc.ServerInterceptor):
    def __init__(self, key):
        self.wanted = ("authorization", f"Bearer {key}")

        def refuse(_, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

        self.refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, go_on, details):
        # What it offers is no secret.
        known = details.method.startswith("/grpc.reflection.") or self.wanted in details.invocation_metadata
        return go_on(details) if known else self.refusal


def serve(key):
    def handler(behaviour, request, answer, kind=grpc.unary_unary_rpc_method_handler):
        return kind(behaviour, request.FromString, answer.SerializeToString)

    handlers = {
        "EchoItem": handler(lambda request, _: request, Item, Item),
        "ListItems": handler(list_items, Count, Item, grpc.unary_stream_rpc_method_handler),
        "Fail": handler(fail, Item, Empty),
        "Sleep": handler(sleep, Count, Empty),
    }
    interceptors = [Key(key)] if key else []
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), interceptors=interceptors)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.v1.Inventory", handlers),))
    reflection.enable_server_reflection(("shop.v1.Inventory", reflection.SERVICE_NAME), server, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    serve(sys.argv[1] if len(sys.argv) > 1 else None)
