// usage: graphql-server.mjs
// A GraphQL endpoint that others wrote (the reference implementation), to stand behind ours. It wants a bearer token and prints its URL.
import { createServer } from "node:http";
import { buildSchema, graphql } from "graphql";
const schema = buildSchema(`
  enum Order { UP DOWN }
  interface Thing { id: ID! }
  "A hotel" type Hotel implements Thing { id: ID! name: String! stars: Int rooms: [Room!]! }
  type Room implements Thing { id: ID! beds: Int hotel: Hotel }
  "Its beds are words" type Tent { beds: String! pitch: Pitch near: [Found!] }
  type Pitch { number: Int! old: Int @deprecated tents: [Tent!] }
  union Found = Hotel | Room | Tent
  input HotelInput { name: String! stars: Int = 3 }
  input Filter { name: String order: Order not: Filter any: [Filter!] }
  type Query {
    "A hotel by its id" hotel(id: ID!): Hotel  hotels(order: Order = UP, limit: Int): [Hotel!]!  fail: Int thing: Thing
    find(where: Filter): [Found!]!  lodging: Hotel @deprecated(reason: "use hotel")
  }
  type Mutation { addHotel(hotel: HotelInput!): Hotel! }
  type Subscription { arrivals: Hotel }
`);
const hotels = [{ id: "1", name: "Grand \"Hotel\"", stars: 5 }, { id: "2", name: "Inn", stars: null }];
const full = (h) => h && { ...h, rooms: () => [{ id: "r" + h.id, beds: 2, hotel: () => full(h) }] };
const root = {
  hotel: ({ id }) => full(hotels.find((h) => h.id === id)),
  hotels: ({ order, limit }) => (order === "DOWN" ? [...hotels].reverse() : hotels).slice(0, limit ?? 9).map(full),
  fail: () => { throw new Error("it is broken"); },
  thing: () => ({ __typename: "Room", id: "x", beds: 4 }),
  find: ({ where }) => {
    const tent = { __typename: "Tent", beds: "two", pitch: { number: 7, tents: [] }, near: [] };
    const all = [{ __typename: "Hotel", ...full(hotels[0]) }, { __typename: "Room", id: "r9", beds: 3 }, { ...tent, near: [tent] }];
    return where?.not?.any ? [] : all;
  },
  addHotel: ({ hotel }) => { const made = { id: String(hotels.length + 1), ...hotel }; hotels.push(made); return full(made); },
};
const http = createServer(async (request, response) => {
  if (request.headers.authorization !== "Bearer token-of-ours-0123456789") return response.writeHead(401).end("no");
  let body = "";
  for await (const chunk of request) body += chunk;
  const { query, variables } = JSON.parse(body);
  const result = await graphql({ schema, source: query, rootValue: root, variableValues: variables });
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
});
http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}/graphql`));
