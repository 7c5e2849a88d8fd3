// The page: its theme, its tables, the map, and what they do to each other.

// Theme: the system's, until a reader chooses. A page from a file may have no storage.
function theme() {
  const THEMES = ['auto', 'dark', 'light'];
  const stored = () => {
    try {
      return localStorage.getItem('bufslab.theme');
    } catch {
      return null;
    }
  };
  const toggle = document.getElementById('theme');
  const show = (name) => {
    document.documentElement.dataset.theme = name;
    toggle.textContent = `Theme: ${name}`;
  };
  toggle.hidden = false;
  toggle.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    show(next);
    try {
      localStorage.setItem('bufslab.theme', next);
    } catch {
      // It lasts as long as the page, then.
    }
  });
  show(THEMES.includes(stored()) ? stored() : 'auto');
}

// What is filtered by, for the map and the table of slabs alike.
const filter = { text: '', group: undefined, boxes: [] };

function setFilter(change) {
  Object.assign(filter, change);
  for (const { box, chip } of filter.boxes) {
    if (box.value !== filter.text) box.value = filter.text;
    chip.hidden = filter.group === undefined;
    chip.textContent = filter.group ? `only ${filter.group.name} ×` : '';
  }
  const hasText = textFilter(filter.text);
  const { group } = filter;
  slabTable.filter((slab) => (group === undefined || hasGroup(slab, group)) && hasText(slab));
}

function later(run, ms) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), ms);
  };
}

function searchBox(label, hint, changed) {
  return el('input', {
    type: 'search',
    placeholder: hint,
    'aria-label': label,
    autocomplete: 'off',
    spellcheck: 'false',
    input: later((event) => changed(event.target.value), 120),
  });
}

function slabFilter() {
  const box = searchBox('Filter slabs by number, tag, scope, site, hint or state', 'Filter: tag, scope, site, …', (text) => setFilter({ text }));
  const chip = button({ class: 'chip', hidden: true, click: () => setFilter({ group: undefined }) });
  filter.boxes.push({ box, chip });
  return el('div', { class: 'filter' }, box, chip);
}

function blameTable(panel) {
  const kind = panel.dataset.table;
  const { rows, all } = groups[kind];
  const table = panel.querySelector('table');
  const onlyIts = (group) =>
    button(
      {
        class: 'link',
        title: 'show its slabs',
        click: () => {
          setFilter({ text: '', group });
          document.getElementById('map').scrollIntoView();
        },
      },
      group.name,
    );
  const size = (title, key) => ({ title, key, cell: (group) => [bytes(key(group)), exact(key(group))] });
  const number = (title, key) => ({ title, key, cell: (group) => grouped(key(group)) });
  const used = size('used', (group) => group.live);
  const view = new Table({
    table,
    rows,
    all,
    noun: 'group',
    perPage: 15,
    sort: 6,
    columns: [
      { title: table.tHead.rows[0].cells[0].textContent, text: true, key: (group) => group.name, cell: onlyIts },
      number('slices', (group) => group.slices),
      { ...used, cell: (group) => (group.number < 0 ? 'unknown' : used.cell(group)) },
      number('slabs', (group) => group.slabs),
      size('alone', (group) => group.alone),
      size('shared', (group) => group.shared),
      size('amortised', (group) => group.amortised),
      {
        title: 'of pinned',
        className: 'n share',
        key: (group) => group.amortised,
        cell: (group) => [
          [mini(group.amortised, data.totals.pinned), ' ', el('span', {}, percent(group.amortised, data.totals.pinned))],
        ],
      },
    ],
  });
  const find = searchBox('Filter groups', 'Filter', (text) => {
    const wanted = text.trim().toLowerCase();
    view.filter((group) => group.name.toLowerCase().includes(wanted));
  });
  panel.querySelector('.scroll').before(el('div', { class: 'filter' }, find));
}

// The tables of blame as tabs; without a script they stand one below the other.
function tabs() {
  const panels = [...document.querySelectorAll('#blame .panel')];
  const list = el('div', { role: 'tablist', 'aria-label': 'Blame by' });
  const made = panels.map((panel, at) => {
    const title = panel.querySelector('h3');
    const { rows, all } = groups[panel.dataset.table];
    const named = all - rows.filter((group) => group.number <= 0 && group.table !== 'thread').length;
    panel.id = `by-${panel.dataset.table}`;
    const tab = button(
      { role: 'tab', id: `${panel.id}-tab`, 'aria-controls': panel.id, click: () => choose(at) },
      title.textContent,
      el('span', { class: 'count' }, grouped(named)),
    );
    fill(panel, { role: 'tabpanel', 'aria-labelledby': tab.id }, []);
    title.remove();
    return { tab, panel, named };
  });
  const choose = (chosen, focus) => {
    made.forEach(({ tab, panel }, at) => {
      tab.setAttribute('aria-selected', String(at === chosen));
      tab.tabIndex = at === chosen ? 0 : -1;
      panel.hidden = at !== chosen;
    });
    if (focus) made[chosen].tab.focus();
  };
  list.addEventListener('keydown', (event) => {
    const at = made.findIndex(({ tab }) => tab === document.activeElement);
    const last = made.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last };
    if (at < 0 || !(event.key in to)) return;
    choose(to[event.key], true);
    event.preventDefault();
  });
  list.append(...made.map(({ tab }) => tab));
  panels[0].before(list);
  // The first that names anyone.
  choose(Math.max(0, made.findIndex(({ named }) => named > 0)));
}

// A slab from near: the map in several lines, one slice in full, and all of them as a table. Returns what chooses the
// slice.
function slabDetail(slab, place) {
  const facts = [
    `${exact(slab.size)}, tracked at ${slab.level}`,
    `${count(slab.handles, 'handle')}, ${count(slab.all, 'slice')}`,
    `age ${exactAge(slab.age)}`,
  ];
  if (slab.listed < slab.all) facts.push(`the first ${grouped(slab.listed)} slices are in this page`);
  const box = el('div', { class: 'slab' }, el('p', { class: 'note' }, facts.join(' · ')));
  place.append(box);
  if (slab.listed === 0) return () => {};

  const lines = slab.size >= 1 << 20 ? 16 : slab.size >= 1 << 16 ? 8 : slab.size >= 4096 ? 4 : 1;
  const axis = el('div', { class: 'axis', 'aria-hidden': 'true' });
  for (let at = 0; at < lines; at++) axis.append(el('span', {}, bytes(Math.round((slab.size / lines) * at))));
  const big = el('div', { class: 'big' }, axis);
  const card = el('div', { class: 'card', 'aria-live': 'polite' });
  box.append(big, card);
  const map = new SlabMap(slab, colours, {
    width: Math.max(200, big.clientWidth - axis.offsetWidth - 8),
    lines,
    height: 14,
    gap: 4,
    choose: (index) => index !== undefined && show(index),
  });
  big.append(map.element);

  const show = (index) => {
    map.chosen = index;
    map.mark(index);
    const slice = sliceAt(slab, index);
    const stack = stacks.get(slice.stack) ?? [];
    const calls = stack.map(([name, at]) => el('li', {}, el('code', {}, name), ' ', el('span', {}, at)));
    card.replaceChildren(
      el('h4', {}, `Slice ${grouped(index + 1)} of ${grouped(slab.all)}`),
      factList(sliceFacts(slab, slice)),
      ...(calls.length > 0 ? [el('ol', { class: 'calls' }, ...calls)] : []),
    );
  };
  show(0);

  const table = el('table', {}, el('caption', {}, `Slices of ${slabName(slab)}`), el('thead', {}, el('tr')), el('tbody'));
  box.append(el('div', { class: 'scroll' }, table));
  const column = (title, key, cell, text) => ({ title, key, cell, text });
  const name = (title, key) => column(title, key, key, true);
  const offset = (slice) => button({ class: 'link', title: 'show on the map', click: () => show(slice.index) }, grouped(slice.offset));
  const hints = (slice) => [...new Set(slice.hints.filter((hint) => hint !== undefined))].join(' … ');
  const columns = [
    column('offset', (slice) => slice.offset, offset),
    column('length', (slice) => slice.len, (slice) => [bytes(slice.len), exact(slice.len)]),
    name('tag', (slice) => tagName(slice.tag)),
    name('scope', (slice) => scopeName(slice.scope)),
    name('made at', (slice) => siteName(slice.site)),
    name('kind', (slice) => slice.kind),
    column('thread', (slice) => slice.thread, (slice) => String(slice.thread)),
    column('age', (slice) => slice.age[1], (slice) => [age(slice.age), exactAge(slice.age)]),
  ];
  const rows = slicesOf(slab);
  if (rows.some((slice) => hints(slice) !== '')) columns.push(name('hints', hints));
  if (rows.some((slice) => slice.stack)) columns.push(name('stack', (slice) => (slice.stack ? String(slice.stack) : '')));
  new Table({ table, rows, all: slab.all, noun: 'slice', columns });
  return show;
}

function makeSlabTable() {
  const panel = document.querySelector('[data-table=slabs]');
  const known = (cell) => (slab) => (slab.all === 0 ? 'unknown' : cell(slab));
  const size = (title, key) => ({ title, key, cell: (slab) => [bytes(key(slab)), exact(key(slab))] });
  const used = size('used', (slab) => slab.live);
  const waste = size('waste', (slab) => slab.waste);
  panel.querySelector('.scroll').before(slabFilter());
  return new Table({
    table: panel.querySelector('table'),
    rows: slabs,
    all: data.totals.slabs,
    noun: 'slab',
    sort: 3,
    detail: slabDetail,
    listen: (shown) => map.show(shown),
    columns: [
      { title: 'slab', key: (slab) => slab.id, cell: slabName, className: 'name' },
      size('size', (slab) => slab.size),
      { ...used, cell: known(used.cell) },
      { ...waste, cell: known(waste.cell) },
      {
        title: 'wasted',
        className: 'n share',
        key: (slab) => slab.waste / slab.size,
        cell: known((slab) => [[mini(slab.waste, slab.size), ' ', el('span', {}, percent(slab.waste, slab.size))]]),
      },
      { title: 'slices', key: (slab) => slab.all, cell: (slab) => grouped(slab.all) },
      { title: 'age', key: (slab) => slab.age[1], cell: (slab) => [age(slab.age), exactAge(slab.age)] },
      { title: 'pinned by', text: true, key: pinnedBy, cell: pinnedBy },
      { title: 'state', text: true, key: remarks, cell: remarks },
    ],
  });
}

// The map of many slabs: in the order of the table, and filtered with it.
class SlabMaps {
  constructor(place) {
    this.perPage = 20;
    this.page = 0;
    this.shown = [];
    const kinds = { tag: 'tag', site: 'site', kind: 'kind of scope', scope: 'scope', thread: 'thread' };
    const options = Object.entries(kinds).map(([value, name]) => el('option', { value }, name));
    const select = el('select', { change: (event) => this.colour(event.target.value) }, ...options);
    this.legend = el('div');
    this.strips = el('div', { class: 'strips' });
    this.status = el('span', { role: 'status' });
    this.back = button({ 'aria-label': 'previous slabs', click: () => this.turn(this.page - 1) }, '‹');
    this.next = button({ 'aria-label': 'next slabs', click: () => this.turn(this.page + 1) }, '›');
    this.pages = el('span', { class: 'pages' }, this.back, this.next);
    place.append(
      el('p', { class: 'note' },
        'Each strip is one slab, drawn to its own scale; what has no colour is waste. A slice is drawn at least ' +
        `${LEAST} pixels wide. Point at one, or go along with the arrow keys, to see whose it is; choose a slab to unfold it.`),
      fill(slabFilter(), {}, [el('label', { class: 'by' }, 'Colour by ', select)]),
      this.legend,
      this.strips,
      el('div', { class: 'pager' }, this.status, this.pages),
    );
    select.value = colours.table;
    this.legend.replaceChildren(colours.legend());
  }

  colour(table) {
    colours = new Colours(table);
    this.legend.replaceChildren(colours.legend());
    this.turn(this.page);
  }

  show(shown) {
    // A slab of which no slice is known has nothing to draw.
    this.shown = shown.filter((slab) => slab.listed > 0);
    this.blank = shown.length - this.shown.length;
    this.turn(0);
  }

  turn(page) {
    this.page = page;
    const from = page * this.perPage;
    const some = this.shown.slice(from, from + this.perPage);
    this.strips.replaceChildren();
    // The width of a strip is known when one is there.
    const sample = this.strip(slabs[0], 100);
    this.strips.append(sample);
    const width = Math.max(120, sample.querySelector('.slab-map').clientWidth);
    this.strips.replaceChildren(...some.map((slab) => this.strip(slab, width)));
    const which = `${grouped(from + Math.min(1, some.length))} to ${grouped(from + some.length)}`;
    this.status.textContent = `${which} of ${count(this.shown.length, 'slab')}, in the order of the table below` +
      (this.blank > 0 ? `; ${grouped(this.blank)} more without a slice in this page` : '');
    this.back.disabled = page === 0;
    this.next.disabled = from + this.perPage >= this.shown.length;
    this.pages.hidden = this.shown.length <= this.perPage;
  }

  strip(slab, width) {
    const place = el('div', { class: 'unfolded' });
    let showSlice;
    const open = (index) => {
      if (showSlice && index === undefined) {
        place.replaceChildren();
        showSlice = undefined;
      } else {
        showSlice ??= slabDetail(slab, place);
        if (index !== undefined) showSlice(index);
      }
      name.setAttribute('aria-expanded', String(showSlice !== undefined));
    };
    const name = button({ class: 'unfold', 'aria-expanded': 'false', click: () => open() }, slabName(slab));
    const map = new SlabMap(slab, colours, { width, height: 18, choose: open });
    const waste = slab.all === 0 ? 'use unknown' : `${percent(slab.waste, slab.size)} waste`;
    const facts = [bytes(slab.size), waste, count(slab.all, 'slice'), remarks(slab)].filter((text) => text !== '');
    return el('div', { class: 'strip' }, name, map.element, el('span', { class: 'facts' }, facts.join(' · ')), place);
  }
}

let colours;
let map;
let slabTable;

document.documentElement.classList.add('js');
theme();
if (slabs.length > 0) {
  document.body.append(tip);
  document.addEventListener('keydown', (event) => event.key === 'Escape' && hideTip());
  window.addEventListener('scroll', hideTip, { passive: true });
  const tagged = groups.tag.rows.some((group) => group.number > 0);
  colours = new Colours(tagged ? 'tag' : 'site');
  document.querySelectorAll('#blame .panel').forEach(blameTable);
  tabs();
  map = new SlabMaps(document.getElementById('map-view'));
  slabTable = makeSlabTable();
}
