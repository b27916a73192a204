'use strict';
// What is typed narrows the articles: each word must be in one; "/" jumps to the field.
const field = document.getElementById('search'), count = document.getElementById('count');
const articles = [...document.querySelectorAll('article')];
const words = new Map(articles.map(a => [a, a.textContent.toLowerCase()]));

function narrow() {
  const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const article of articles) {
    article.hidden = !wanted.every(word => words.get(article).includes(word));
    shown += !article.hidden;
  }
  for (const section of document.querySelectorAll('section')) {
    section.hidden = !section.querySelector('article:not([hidden])');
    section.querySelector('details').hidden = wanted.length > 0;
  }
  count.textContent = wanted.length ? `${shown} of ${articles.length}` : `${articles.length} names`;
}

field.addEventListener('input', narrow);
document.addEventListener('keydown', event => {
  if (event.key !== '/' || event.target === field) return;
  event.preventDefault();
  field.focus();
});
addEventListener('hashchange', () => { // a link leads out of the search
  const there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!there || !there.hidden) return;
  field.value = '';
  narrow();
  there.scrollIntoView();
});
narrow();
