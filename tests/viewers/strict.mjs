// Reads a heap snapshot and forgives nothing. DevTools and memlab let pass much of what makes a file wrong: a count that is
// off by one moves every edge behind it, and shows nonsense without a word.
import fs from 'node:fs';

export class Malformed extends Error {}

function must(holds, what) {
  if (!holds) throw new Malformed(what);
}

// What DevTools' loader searches for, one after the other.
const KEYS = ['snapshot', 'nodes', 'edges', 'trace_function_infos', 'trace_tree', 'samples', 'locations', 'strings'];
const U32 = 2 ** 32;

/** The nodes of a snapshot, each with its edges; throws `Malformed`. */
export function read(path) {
  const text = fs.readFileSync(path, 'utf8');
  let file;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new Malformed(`no JSON: ${error.message}`);
  }
  must(Object.keys(file).join() === KEYS.join(), `keys are ${Object.keys(file)}, must be ${KEYS}`);
  const { snapshot: { meta, node_count, edge_count, trace_function_count }, nodes, edges, strings } = file;
  const fields = meta.node_fields;
  const at = name => {
    must(fields.includes(name), `no field ${name}`);
    return fields.indexOf(name);
  };
  const [type, name, id, size, count] = ['type', 'name', 'id', 'self_size', 'edge_count'].map(at);
  must(meta.edge_fields.join() === 'type,name_or_index,to_node', 'fields of edges');
  must(nodes.length === node_count * fields.length, `${nodes.length} figures for ${node_count} nodes`);
  must(edges.length === edge_count * 3, `${edges.length} figures for ${edge_count} edges`);
  must(trace_function_count === 0 && file.samples.length === 0 && file.locations.length === 0, 'something traced');
  for (const figure of [...nodes, ...edges]) must(Number.isInteger(figure) && figure >= 0 && figure < U32, `${figure} has no 32 bits`);
  must(strings.every(string => typeof string === 'string'), 'a string that is none');
  must(new Set(strings).size === strings.length, 'a string twice');
  const string = index => {
    must(index < strings.length, `string ${index} of ${strings.length}`);
    return strings[index];
  };

  const types = meta.node_types[type];
  const edgeTypes = meta.edge_types[0];
  const read = [];
  const ids = new Set();
  let next = 0;
  for (let first = 0; first < nodes.length; first += fields.length) {
    const node = nodes.slice(first, first + fields.length);
    must(node[type] < types.length, `type ${node[type]}`);
    must(!ids.has(node[id]), `id ${node[id]} twice`);
    ids.add(node[id]);
    const own = [];
    for (let edge = 0; edge < node[count]; edge++, next += 3) {
      must(next < edges.length, 'fewer edges than the nodes say');
      const [edgeType, label, to] = edges.slice(next, next + 3);
      must(edgeTypes[edgeType] === 'property' || edgeTypes[edgeType] === 'weak', `edge of type ${edgeType}`);
      must(to % fields.length === 0 && to < nodes.length, `edge to ${to}`);
      own.push({ type: edgeTypes[edgeType], label: string(label), to: to / fields.length });
    }
    read.push({ type: types[node[type]], name: string(node[name]), id: node[id], size: node[size], edges: own });
  }
  must(next === edges.length, 'more edges than the nodes say');

  // Whatever only weak edges lead to, or none, would be kept alive by nothing.
  const reached = new Set([0]);
  for (const from of reached) {
    for (const { type, to } of read[from].edges) if (type !== 'weak') reached.add(to);
  }
  must(reached.size === read.length, `${read.length - reached.size} nodes that nothing keeps alive`);
  return read;
}
