'use strict';
// Pointing at an interaction shows its person, its thing and a line between them; pointing at a box
// shows the interactions it takes part in; a tap keeps them. Verb and score filter the lists.
const photos = [...document.querySelectorAll('.photo')].map(photo => ({
  photo,
  line: photo.querySelector('.link line'),
  boxes: new Map([...photo.querySelectorAll('.box')].map(box => [box.dataset.box, box])),
  rows: [...photo.querySelectorAll('.found button')],
  kept: null,
}));

function centre(box, frame) {
  const b = box.getBoundingClientRect(), f = frame.getBoundingClientRect();
  return [b.left + b.width / 2 - f.left, b.top + b.height / 2 - f.top];
}

function clear(one) {
  one.photo.classList.remove('pointing', 'linked');
  one.photo.querySelectorAll('.lit').forEach(lit => lit.classList.remove('lit'));
}

function show(one, target) {
  clear(one);
  if (!target) return;
  const rows = target.dataset.box
    ? one.rows.filter(row => row.dataset.boxes.split(' ').includes(target.dataset.box))
    : [target];
  one.photo.classList.add('pointing');
  rows.forEach(row => row.classList.add('lit'));
  if (target.dataset.box) {
    target.classList.add('lit');
    return;
  }
  const [human, object] = target.dataset.boxes.split(' ').map(place => one.boxes.get(place));
  human.classList.add('lit');
  if (!object || object === human) return;
  object.classList.add('lit');
  const frame = human.parentElement;
  const [x1, y1] = centre(human, frame), [x2, y2] = centre(object, frame);
  Object.entries({ x1, y1, x2, y2 }).forEach(([name, value]) => one.line.setAttribute(name, value));
  one.photo.classList.add('linked');
}

function keep(one, target) {
  one.kept = one.kept === target ? null : target;
  one.rows.forEach(row => row.setAttribute('aria-pressed', String(row === one.kept)));
  show(one, one.kept);
}

for (const one of photos) {
  for (const target of [...one.boxes.values(), ...one.rows]) {
    target.addEventListener('mouseenter', () => show(one, target));
    target.addEventListener('mouseleave', () => show(one, one.kept));
    target.addEventListener('focus', () => target.matches(':focus-visible') && show(one, target));
    target.addEventListener('blur', () => show(one, one.kept));
    target.addEventListener('click', () => keep(one, target));
  }
}

const verb = document.getElementById('verb'), score = document.getElementById('score');

function counted(n, what) {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function filter() {
  const all = verb.value === '' && Number(score.value) === 0;
  let interactions = 0, pictures = 0;
  for (const one of photos) {
    let left = 0;
    for (const row of one.rows) {
      const fits = (verb.value === '' || row.dataset.verb === verb.value)
        && Number(row.dataset.score) >= Number(score.value);
      row.parentElement.hidden = !fits;
      left += fits;
    }
    one.photo.hidden = !all && left === 0;
    pictures += !one.photo.hidden;
    interactions += left;
    if (one.kept && one.kept.parentElement.hidden) keep(one, one.kept);
  }
  document.getElementById('least').textContent = Number(score.value).toFixed(2);
  document.getElementById('count').textContent =
    `${counted(interactions, 'interaction')} in ${counted(pictures, 'picture')}`;
}

verb.addEventListener('input', filter);
score.addEventListener('input', filter);
document.querySelector('.controls').addEventListener('submit', event => event.preventDefault());
