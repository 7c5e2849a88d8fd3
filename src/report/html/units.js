// Figures as the report's text form has them (src/report/units.rs): the page reads the same with and without a script.

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

function grouped(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

function count(n, noun) {
  return `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;
}

function bytes(n) {
  if (n < 1024) return `${n} B`;
  for (let exponent = 0; ; exponent++) {
    const unit = 1024 ** (exponent + 1);
    const tenths = Math.floor((n * 10 + unit / 2) / unit);
    if (tenths >= 10240 && exponent + 1 < UNITS.length) continue;
    if (n % unit === 0 && tenths >= 100) return `${tenths / 10} ${UNITS[exponent]}`;
    return `${Math.floor(tenths / 10)}.${tenths % 10} ${UNITS[exponent]}`;
  }
}

function exact(n) {
  return count(n, 'byte');
}

function percent(part, whole) {
  if (whole === 0 || part === 0) return '0 %';
  const permille = Math.floor((part * 1000) / whole);
  if (permille >= 1000) return '100 %';
  if (permille >= 10 && permille < 990) return `${Math.floor(permille / 10)} %`;
  return `${Math.floor(permille / 10)}.${permille % 10} %`;
}

function span(ms) {
  const tenths = (unit, name) => {
    const n = Math.floor((ms * 10) / unit);
    return n % 10 === 0 ? `${n / 10} ${name}` : `${Math.floor(n / 10)}.${n % 10} ${name}`;
  };
  if (ms < 10) return '<10 ms';
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return tenths(1000, 's');
  if (ms < 600_000) return tenths(60_000, 'min');
  if (ms < 7_200_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 172_800_000) return tenths(3_600_000, 'h');
  return `${Math.floor(ms / 86_400_000)} d`;
}

function age([min, max]) {
  const [from, to] = [span(min), span(max)];
  if (from === to) return to;
  const [figure, unit] = from.split(' ');
  return to.endsWith(` ${unit}`) ? `${figure} to ${to}` : `${from} to ${to}`;
}

function exactAge([min, max]) {
  return min === max ? `${grouped(min)} ms` : `${grouped(min)} to ${grouped(max)} ms`;
}
