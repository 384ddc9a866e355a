const form = document.querySelector('form.pairs')
const cards = form ? [...form.querySelectorAll('.card')] : []
const spent = cards.map(() => 0)
let now = 0, mark = performance.now()

const picked = (card, group) => card.querySelector(`.${group} input:checked`)?.value
const complete = card => picked(card, 'choice') && (picked(card, 'choice') == 'illegible' || picked(card, 'sure')) &&
  (!card.querySelector('textarea[aria-required=true]') || card.querySelector('textarea').value.trim())
const count = () => {
  document.getElementById('status').textContent = `${cards.filter(complete).length} of ${cards.length} answered`
}

function turn(i) { // the time since the last event belongs to the pair that was looked at
  spent[now] += performance.now() - mark
  mark = performance.now()
  cards[now].classList.remove('now')
  now = i
  cards[now].classList.add('now')
}
function go(i) {
  turn(Math.max(0, Math.min(cards.length - 1, i)))
  cards[now].focus({preventScroll: true})
  cards[now].scrollIntoView({
    block: 'center',
    behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'
  })
}
function next() {
  const left = cards.findIndex((c, i) => i > now && !complete(c)), first = cards.findIndex(c => !complete(c))
  if (left >= 0 || first >= 0) go(left >= 0 ? left : first)
  else form.querySelector('.send button').focus()
}
function pick(group, value) {
  const input = cards[now].querySelector(`.${group} input[value="${value}"]`)
  input.checked = true; input.focus({preventScroll: true}); count()
  if (group == 'choice' && value != 'illegible') return
  const why = cards[now].querySelector('textarea[aria-required=true]')
  if (why && !why.value.trim()) why.focus(); else if (complete(cards[now])) next()
}

const keys = {
  1: () => pick('choice', 'left'), 2: () => pick('choice', 'equal'), 3: () => pick('choice', 'right'),
  0: () => pick('choice', 'illegible'),
  v: () => pick('sure', 1), s: () => pick('sure', 2), n: () => pick('sure', 3),
  j: () => go(now + 1), k: () => go(now - 1)
}
const toggle = document.getElementById('shortcuts')
const remember = on => { try { localStorage.setItem('shortcuts', on ? 'on' : 'off') } catch {} }
const remembered = () => { try { return localStorage.getItem('shortcuts') != 'off' } catch { return true } }

if (form) {
  document.querySelectorAll('.needs-script').forEach(e => { e.hidden = false })
  toggle.checked = remembered()
  document.documentElement.classList.toggle('keys', toggle.checked)
  toggle.addEventListener('change', () => {
    remember(toggle.checked)
    document.documentElement.classList.toggle('keys', toggle.checked)
  })
  cards.forEach((card, i) => card.addEventListener('focusin', () => { if (i != now) turn(i) }))
  cards.forEach((card, i) => card.addEventListener('change', () => { turn(i); count() }))
  form.addEventListener('input', count)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) turn(now); else mark = performance.now()
  })
  document.addEventListener('keydown', e => {
    if (!toggle.checked || e.altKey) return
    if ((e.ctrlKey || e.metaKey) && e.key == 'Enter') {
      e.preventDefault()
      if (cards.every(complete)) form.requestSubmit(); else next()
      return
    }
    if (e.ctrlKey || e.metaKey || e.target.matches('textarea, input[type=text]')) return
    const act = keys[e.key.toLowerCase()]
    if (act) { e.preventDefault(); act() }
  })
  form.addEventListener('submit', () => {
    turn(now)
    cards.forEach((card, i) => { card.querySelector('.seconds').value = (spent[i] / 1000).toFixed(1) })
    form.querySelector('.send button').disabled = true
  })
  addEventListener('pageshow', () => { form.querySelector('.send button').disabled = false; count() })
  cards[0].classList.add('now')
  count()
}
