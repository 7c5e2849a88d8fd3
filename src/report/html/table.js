// A table over an array: sorted by a click on a header, filtered, one page of rows in the document at a time.
//
// A column is { title, key(row), cell(row), text }: `key` gives what to sort by, `cell` a string, a node, or
// [string, title]. Columns with `text` lean left and sort upwards first; figures lean right and sort downwards first.

const collator = new Intl.Collator('en', { numeric: true });

class Table {
  constructor({ table, columns, rows, all = rows.length, noun, perPage = 25, sort = -1, detail, listen }) {
    Object.assign(this, { table, columns, rows, all, noun, perPage, detail, listen });
    this.body = table.tBodies[0];
    this.sorted = sort;
    this.down = true;
    this.page = 0;
    this.keep = () => true;
    this.open = new Set();
    this.header();
    this.controls();
    this.update();
  }

  header() {
    this.heads = this.columns.map((column, at) => {
      const sorter = button({ click: () => this.sort(at) }, column.title);
      return el('th', { scope: 'col', class: column.className ?? (column.text ? undefined : 'n') }, sorter);
    });
    this.table.tHead.rows[0].replaceChildren(...this.heads);
  }

  controls() {
    const turn = (to) => () => this.turn(to());
    const last = () => Math.ceil(this.shown.length / this.perPage) - 1;
    this.status = el('span', { role: 'status' });
    this.turners = [
      [button({ 'aria-label': 'first page', click: turn(() => 0) }, '«'), () => this.page > 0],
      [button({ 'aria-label': 'previous page', click: turn(() => this.page - 1) }, '‹'), () => this.page > 0],
      [button({ 'aria-label': 'next page', click: turn(() => this.page + 1) }, '›'), () => this.page < last()],
      [button({ 'aria-label': 'last page', click: turn(last) }, '»'), () => this.page < last()],
    ];
    this.pages = el('span', { class: 'pages' }, ...this.turners.map(([turner]) => turner));
    const box = this.table.closest('.scroll');
    // What was written for readers without a script.
    if (box.nextElementSibling?.classList.contains('rest')) box.nextElementSibling.remove();
    box.after(el('div', { class: 'pager' }, this.status, this.pages));
  }

  sort(at) {
    this.down = this.sorted === at ? !this.down : !this.columns[at].text;
    this.sorted = at;
    this.update();
  }

  filter(keep) {
    this.keep = keep;
    this.update();
  }

  // Filters, sorts and shows the first page. Rows with equal keys keep the order of the report.
  update() {
    const kept = this.rows.filter(this.keep);
    const column = this.columns[this.sorted];
    if (column) {
      const keyed = kept.map((row, at) => ({ row, at, key: column.key(row) }));
      const sign = this.down ? -1 : 1;
      const compare = column.text ? collator.compare : (a, b) => a - b;
      keyed.sort((a, b) => sign * compare(a.key, b.key) || a.at - b.at);
      this.shown = keyed.map(({ row }) => row);
    } else {
      this.shown = kept;
    }
    this.heads.forEach((head, at) => {
      if (at === this.sorted) head.setAttribute('aria-sort', this.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    this.turn(0);
    this.listen?.(this.shown);
  }

  turn(page) {
    this.page = page;
    const from = page * this.perPage;
    const rows = this.shown.slice(from, from + this.perPage);
    this.body.replaceChildren(...rows.flatMap((row) => this.row(row)));
    if (rows.length === 0) {
      this.body.append(el('tr', {}, el('td', { class: 'none', colspan: this.columns.length }, `no ${this.noun} matches`)));
    }
    const which = `${grouped(from + Math.min(1, rows.length))} to ${grouped(from + rows.length)}`;
    const of = ` of ${count(this.shown.length, this.noun)}`;
    const filtered = this.shown.length < this.rows.length ? `, out of ${grouped(this.rows.length)}` : '';
    const left = this.all > this.rows.length ? `; ${grouped(this.all - this.rows.length)} more are not in this page` : '';
    this.status.textContent = which + of + filtered + left;
    this.turners.forEach(([turner, can]) => (turner.disabled = !can()));
    this.pages.hidden = this.shown.length <= this.perPage;
  }

  row(row) {
    const cells = this.columns.map((column, at) => {
      const cell = column.cell(row);
      const [content, title] = Array.isArray(cell) ? cell : [cell];
      const name = at === 0 ? 'th' : 'td';
      const attributes = { title, class: column.className ?? (column.text ? undefined : 'n') };
      if (at === 0) attributes.scope = 'row';
      else attributes['data-label'] = column.title;
      return el(name, attributes, ...(Array.isArray(content) ? content : [content]));
    });
    const line = el('tr', {}, ...cells);
    return this.detail ? this.unfolding(row, line) : [line];
  }

  // The row with a button that unfolds what else there is to it.
  unfolding(row, line) {
    const head = line.cells[0];
    const unfolder = button({ class: 'unfold', 'aria-expanded': 'false' }, ...head.childNodes);
    head.append(unfolder);
    let below;
    const fold = () => {
      const open = this.open.has(row);
      unfolder.setAttribute('aria-expanded', String(open));
      below?.remove();
      below = undefined;
      if (open && line.isConnected) {
        below = el('tr', { class: 'detail' }, el('td', { colspan: this.columns.length }));
        line.after(below);
        this.detail(row, below.cells[0]);
      }
    };
    unfolder.addEventListener('click', () => {
      if (!this.open.delete(row)) this.open.add(row);
      fold();
    });
    if (this.open.has(row)) queueMicrotask(fold);
    return [line];
  }
}
