// usage: graphql.mjs URL
// Calls the tools that were made of a GraphQL endpoint by introspection.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { check, finish, structured } from "./calls.mjs";

const [url] = process.argv.slice(2);
const say = (name, holds, detail) => check(`graphql: ${name}`, holds, JSON.stringify(detail));
try {
  const client = new Client({ name: "foreign-client", version: "1.0.0" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = (name, args = {}) => client.callTool({ name, arguments: args });
  const { tools } = await client.listTools();
  const hotels = tools.find(({ name }) => name === "hotels");
  say("an enum is listed", hotels.inputSchema.properties.order.enum.join() === "UP,DOWN" && hotels.annotations.readOnlyHint, hotels);
  const hotel = await call("hotel", { id: "1" });
  say("an object comes with what it holds", structured(hotel).name === 'Grand "Hotel"' && structured(hotel).rooms[0].hotel.stars === 5, hotel);
  const some = structured(await call("hotels", { order: "DOWN", limit: 1 })).items;
  say("arguments are passed", some.length === 1 && some[0].id === "2", some);
  const all = structured(await call("hotels")).items;
  say("what is left out has the schema's default", all[0].id === "1" && all.length === 2, all);
  const thing = structured(await call("thing"));
  say("an interface says what it is", thing.__typename === "Room" && thing.id === "x", thing);
  say("and what it has besides", thing.beds === 4, thing);
  const found = structured(await call("find")).items;
  const kinds = found.map((one) => one.__typename).join();
  say("each type of a union comes with what it has", kinds === "Hotel,Room,Tent" && found[0].rooms[0].id === "r1" && found[1].beds === 3, found);
  const tent = found[2];
  say("what two types call the same is told apart", tent.beds_of_Tent === "two" && tent.pitch.number === 7 && tent.near[0].beds_of_Tent === "two", tent);
  const none = structured(await call("find", { where: { not: { any: [{ name: "x", order: "UP" }] } } })).items;
  say("an object within itself is passed", none.length === 0, none);
  const names = tools.map(({ name }) => name).sort().join();
  say("what is deprecated or a subscription is no tool", names === "add_hotel,fail,find,hotel,hotels,thing", names);
  say("a mutation is marked", tools.find(({ name }) => name === "add_hotel").annotations.destructiveHint === true);
  const odd = 'x") { id } evil: hotel(id: "1';
  const added = structured(await call("add_hotel", { hotel: { name: odd } }));
  say("a value is never part of the query", added.name === odd && added.stars === 3, added);
  const failed = await call("fail");
  say("hears of an error", failed.isError && failed.content[0].text.includes("it is broken"), failed);
  const wrong = await call("add_hotel", { hotel: { stars: 1 } });
  say("is refused wrong arguments", wrong.isError === true, wrong);
  await client.close();
} catch (error) {
  check("graphql: ends without an exception", false, error.stack ?? String(error));
}
finish();
