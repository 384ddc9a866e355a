const $ = id => document.getElementById(id)
const {word, person, token} = document.body.dataset
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
const percent = v => `${Math.round(100 * v)} %`
const count = (n, what) => `${n.toLocaleString('en')} ${what}${n == 1 ? '' : 's'}`
const make = (tag, attrs = {}, ...children) => {
  const e = Object.assign(document.createElement(tag), attrs)
  e.append(...children)
  return e
}
const picture = (image, size) => `/image/${image}/${size}`
const pause = ms => new Promise(done => setTimeout(done, ms))

// ---- talking to the server

const patience = 20_000 // ms, after which a server that says nothing is asked again
const passing = e => !e.status || e.status >= 500 || e.status == 429 // the same request may work later
async function request(address, options = {}) {
  const reply = await fetch(address, {signal: AbortSignal.timeout(patience), ...options})
  const kind = reply.headers.get('content-type') || ''
  const body = kind.includes('json') ? await reply.json() : {error: 'Open the link again: this page has lost its key.'}
  if (!reply.ok) throw Object.assign(new Error(body.error), {status: reply.status})
  return body
}
const ask = (path, params = {}) => request(`${path}?${new URLSearchParams({word, ...params})}`)
const send = (path, form) => request(path, {method: 'POST', body: new URLSearchParams({token, word, ...form})})
function say(text, bad = false) {
  $('notice').textContent = text
  $('notice').classList.toggle('bad', bad)
}

// ---- an answer is kept here until the server has it on its disk

const prefix = `attic:${person}:`
const keep = (id, form) => { try { localStorage.setItem(prefix + id, JSON.stringify(form)) } catch {} }
const drop = id => { try { localStorage.removeItem(prefix + id) } catch {} }
const kept = () => { try { return Object.keys(localStorage).filter(k => k.startsWith(prefix)) } catch { return [] } }
const newId = () => [...crypto.getRandomValues(new Uint8Array(12))].map(v => v.toString(16).padStart(2, '0')).join('')

async function deliver(form) { // until it is stored: the same id each time, so it counts once
  keep(form.client, form)
  for (let wait = 300; ; wait = Math.min(5000, 1.6 * wait)) {
    try {
      const reply = await send('/answer', form)
      drop(form.client)
      return reply
    } catch (e) {
      if (!passing(e)) { drop(form.client); throw e }
      say('Not saved yet: the server does not answer. Your answer is kept here, and sent again…', true)
      await pause(wait)
    }
  }
}
async function deliverKept(keys = kept()) { // of a page that was closed before the server had them
  const left = []
  for (const key of keys) {
    try {
      await send('/answer', JSON.parse(localStorage.getItem(key)))
      localStorage.removeItem(key)
    } catch (e) {
      if (passing(e)) left.push(key)
      else localStorage.removeItem(key)
    }
  }
  if (left.length) setTimeout(deliverKept, 3000, left)
}

// ---- two pictures

let queue = [], last = null, mine = 0, changes = 0, shown = '', since = 0, hidden = 0
let busy = false, folder = null, exhausted = false
const loaded = new Map()
function load(image) {
  if (!loaded.has(image)) {
    const img = new Image()
    img.src = picture(image, 1024)
    loaded.set(image, img.decode().catch(() => { loaded.delete(image); learn(0) }))
    if (loaded.size > 40) loaded.delete(loaded.keys().next().value)
  }
  return loaded.get(image)
}
function take(reply) {
  queue = reply.queue; last = reply.last; mine = reply.mine; exhausted = reply.exhausted
  $('count-number').textContent = mine
  if (mine) document.querySelector('.tab [aria-current] + .gone')?.remove()
  show()
  for (const pair of queue.slice(1, 4)) { load(pair.a); load(pair.b) }
}
function enable(on) {
  for (const id of ['left', 'right', 'equal', 'skip']) $(id).disabled = !on
  $('undo').disabled = !last
}
async function show() {
  const pair = queue[0]
  enable(Boolean(pair))
  cover()
  if (!pair || pair.key == shown) return
  shown = pair.key
  $('pair').ariaBusy = 'true' // keys and clicks are about pictures that are seen: none counts until these are
  await Promise.race([Promise.all([load(pair.a), load(pair.b)]), pause(1500)])
  if (shown != pair.key) return
  for (const [side, image, words] of [['left', pair.a, 'Left'], ['right', pair.b, 'Right']]) {
    $(`${side}-image`).src = picture(image, 1024)
    $(`${side}-image`).alt = `${words} picture`
    $(side).classList.remove('chosen')
  }
  $('pair').classList.remove('equal', 'fresh')
  void $('pair').offsetWidth // starts the animation anew
  $('pair').classList.add('fresh')
  $('pair').dataset.key = pair.key
  $('pair').ariaBusy = 'false'
  since = performance.now(); hidden = 0
}
function cover() { // what is said in place of the pictures
  const box = $('cover')
  const text = folder && coverText()
  if (box.dataset.text == text) return
  box.dataset.text = text || ''
  box.replaceChildren(...(text ? text.split('\n').map(line => make('p', {textContent: line})) : []))
  if (text && folder.stage != 'failed' && folder.stage != 'ready') box.append(make('progress', {id: 'cover-bar'}))
}
function coverText() {
  if (folder.stage == 'failed') return `This folder cannot be sorted.\n${folder.error}`
  if (queue.length) return ''
  if (exhausted) return 'Every pair of this folder is answered.\nTake the order away, or flag what stands wrong.'
  return folder.ready < 2 ? 'Finding your pictures' : 'Choosing a pair'
}
async function choose(choice) {
  const pair = queue[0]
  if (busy || !pair || $('pair').dataset.key != pair.key) return
  busy = true; changes++
  if (choice == 'more') $('left').classList.add('chosen')
  if (choice == 'less') $('right').classList.add('chosen')
  if (choice == 'equal') $('pair').classList.add('equal')
  const seconds = Math.max(0, (performance.now() - since - hidden) / 1000).toFixed(2)
  try {
    const reply = await deliver({word, ticket: pair.ticket, choice, seconds, client: newId()})
    say(reply.new ? '' : 'This pair was answered in another tab. Nothing was stored twice.')
    take(reply)
    learn()
  } catch (e) {
    say(e.message, true)
    await refresh()
  }
  busy = false
}
async function undo() {
  if (busy || !last) return
  busy = true; changes++
  try {
    const reply = await send('/undo', {client: last})
    say(reply.undone ? 'Taken back. Answer it again.' : 'This was taken back already.')
    take(reply)
    learn()
  } catch (e) { say(e.status ? e.message : 'Not taken back: the server does not answer. Try again.', true) }
  busy = false
}

// ---- what is learnt

let learning = 0, due = Infinity, seen = '', ordered = false
const stripSize = () => Math.max(4, Math.min(60, Math.round($('strip').clientWidth / 58))) // as many as fit
function learn(ms = 120) { // soon, also for somebody who answers quicker than this
  if (performance.now() + ms >= due) return
  clearTimeout(learning)
  due = performance.now() + ms
  learning = setTimeout(refresh, ms)
}
async function refresh() {
  clearTimeout(learning)
  due = Infinity
  let reply
  const then = changes
  try { reply = await ask('/state', {n: stripSize()}) } catch (e) {
    if (!passing(e)) return say(e.message, true)
    say('The server does not answer. Start attic sort again; nothing is lost.', true)
    return learn(2000)
  }
  if ($('notice').textContent.startsWith('The server')) say('')
  folder = reply.folder
  drawReading()
  if (then == changes && !busy || !queue.length) take(reply) // not what was so before the latest answer
  draw(reply.learnt)
  const reading = !['ready', 'failed'].includes(folder.stage)
  const empty = !queue.length && !exhausted && folder.stage != 'failed'
  const more = reading || reply.learnt.text == 'reading'
  if (more || reply.learnt.busy || empty) learn(more ? 500 : 250)
}
function drawReading() {
  const reading = !['ready', 'failed'].includes(folder.stage)
  $('reading').hidden = !reading || !queue.length
  $('folder').textContent = folder.ready ? `${folder.name}: ${count(folder.ready, 'picture')}` : folder.name
  const done = `${folder.done.toLocaleString('en')} of ${count(folder.total, 'picture')} read`
  const words = folder.stage == 'reading' ? done : ''
  $('reading-words').textContent = words
  for (const bar of [$('reading-bar'), $('cover-bar')].filter(Boolean)) {
    if (folder.total) { bar.max = folder.total; bar.value = folder.done }
  }
  if ($('cover-bar')) {
    let line = $('cover-words')
    if (!line) { line = make('p', {id: 'cover-words', className: 'soft'}); $('cover').append(line) }
    line.textContent = words
  }
  $('notes').replaceChildren(...folder.notes.map(n => make('li', {textContent: n})))
  $('notes-box').hidden = !folder.notes.length
  if (folder.error && folder.stage != 'failed') say(`Learning failed: ${folder.error}. Your answers are safe.`, true)
}
function draw(learnt) {
  ordered = learnt.n > 0 || learnt.turned != null
  $('strip').parentElement.classList.toggle('unordered', !ordered)
  $('strip-title').textContent = `Your folder, ${ordered ? 'in order' : 'no order yet'}`
  drawStrip(learnt.strip)
  drawCount(learnt)
  drawAccuracy(learnt)
  drawOutlook(learnt)
  const [other, n] = learnt.repeats
  $('repeats').textContent = n ? `You changed your mind on ${other} of ${count(n, 'repeat')}.` : ''
  drawText(learnt)
  drawPeople(learnt)
}
function drawStrip(images) {
  const strip = $('strip'), key = [ordered, ...images].join()
  if (key == seen || strip.classList.contains('dragging')) return
  seen = key
  const old = new Map([...strip.children].map(li => [li.dataset.image, li]))
  const before = new Map([...old].map(([image, li]) => [image, li.getBoundingClientRect().left]))
  strip.replaceChildren(...images.map((image, k) => old.get(image) || stripItem(image, k)))
  ;[...strip.children].forEach((li, k) => {
    const share = k / Math.max(1, images.length - 1)
    li.firstChild.setAttribute('aria-label', ordered ? `Picture at ${percent(share)} of the order` : 'Picture')
    if (calm) return
    const from = before.get(li.dataset.image), to = li.getBoundingClientRect().left
    if (from === undefined) li.animate([{opacity: 0}, {opacity: 1}], 350)
    else if (from != to) {
      li.animate([{translate: `${from - to}px 0`}, {translate: 0}], {duration: 350, easing: 'ease-out'})
    }
  })
}
function stripItem(image) {
  const img = make('img', {src: picture(image, 160), alt: '', loading: 'lazy', decoding: 'async', fetchPriority: 'low'})
  const li = make('li', {}, make('button', {type: 'button'}, img))
  li.dataset.image = image
  return li
}
function drawCount(learnt) {
  const {of, n} = learnt
  $('count-number').textContent = mine
  const pairs = of * (of - 1) / 2, enough = Math.min(pairs, Math.round(of * Math.log2(of)))
  let words = mine == 1 ? 'answer' : 'answers'
  if (of < 40 && of > 1) words += `. ${of} pictures have ${pairs} pairs: expect a good order after ${enough} answers.`
  else if (n < 10) words += '. The first 25 give a rough order, 100 a good one.'
  if (learnt.missing && folder.stage == 'ready') {
    words += `. ${count(learnt.missing, 'answer')} about pictures that are gone are kept, and not used.`
  }
  $('count-words').textContent = `${words.replace(/\.$/, '')}.`
}
function drawAccuracy({curve}) {
  const point = curve.at(-1)
  $('accuracy-number').textContent = point ? percent(point[1]) : ''
  const range = point && `${Math.round(100 * point[2])} to ${percent(point[3])}`
  $('accuracy-words').textContent = point
    ? `of your last ${count(point[4], 'random pair')}, before you answered (${range}).`
    : 'Some pairs are drawn at random. After five of these you see how often your answer was predicted.'
  chart($('accuracy-chart'), curve.map(([x, y, low, high]) => ({x, y, low, high})), .5, 1, [.5, .75, 1], 'accuracy')
}
function drawOutlook({outlook, little}) {
  const point = outlook.at(-1), words = $('outlook-words')
  $('outlook-number').textContent = point ? percent(point[1]) : ''
  words.className = little ? 'done' : ''
  if (!point) words.textContent = 'From 10 answers on you see here how many pairs are in order.'
  else words.textContent = `of all pairs are in order, by its own estimate.${ahead(point, little)}`
  const points = outlook.map(([x, y]) => ({x, y}))
  const then = point && {x: point[0] + point[3], y: point[2]}
  chart($('outlook-chart'), points, .5, 1, [.5, .75, 1], 'pairs in order', then)
}
function ahead([, now, after, more], little) { // in words
  if (!more) return ''
  const gain = Math.round(100 * (after - now)), many = gain < 1 ? 'less than 1' : `about ${gain}`
  return ` ${count(more, 'more answer')} would put ${many} more of 100 right${little ? ': you can stop here' : ''}.`
}
function drawText({text, turned, n}) {
  $('text').hidden = text != 'reading' && turned == null
  if (text == 'reading') $('text').textContent = `A text-image network looks for “${word}” in your pictures.`
  if (turned == null) return
  const changed = n ? `; you turned ${percent(turned)} of pairs` : ''
  $('text').textContent = `It began with what a network makes of “${word}”${changed}.`
}
const svg = (tag, attrs, ...children) => {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v)
  e.append(...children)
  return e
}
function chart(box, points, low, high, ticks, name, ahead) { // `ahead`: a point that is expected
  if (points.length < 2) return box.replaceChildren()
  const w = 280, h = 56, left = 36, bottom = 16
  const x0 = points[0].x, x1 = Math.max((ahead || points.at(-1)).x, x0 + 1)
  const x = v => left + (w - left - 4) * (v - x0) / (x1 - x0)
  const y = v => (h - bottom) - (h - bottom - 6) * (Math.min(high, Math.max(low, v)) - low) / (high - low)
  const path = list => list.map((p, i) => `${i ? 'L' : 'M'}${p.map(v => v.toFixed(1)).join()}`).join('')
  const parts = ticks.flatMap(t => [
    svg('line', {class: 'grid', x1: left, x2: w, y1: y(t), y2: y(t)}),
    svg('text', {x: left - 5, y: y(t) + 3, 'text-anchor': 'end'}, percent(t))
  ])
  if (points[0].low !== undefined) {
    const band = [...points.map(p => [x(p.x), y(p.high)]), ...points.toReversed().map(p => [x(p.x), y(p.low)])]
    parts.push(svg('path', {class: 'band', d: `${path(band)}Z`}))
  }
  const end = points.at(-1)
  if (ahead) parts.push(svg('path', {class: 'aim', d: path([[x(end.x), y(end.y)], [x(ahead.x), y(ahead.y)]])}))
  parts.push(svg('path', {class: 'line', d: path(points.map(p => [x(p.x), y(p.y)]))}),
    svg('circle', {class: 'dot', r: 3.5, cx: x(end.x), cy: y(end.y)}),
    svg('text', {x: left, y: h - 2}, String(x0)),
    svg('text', {x: w, y: h - 2, 'text-anchor': 'end'}, `${x1} answers`))
  const label = `${name} from ${percent(points[0].y)} at ${x0} answers to ${percent(end.y)} at ${end.x}`
  box.replaceChildren(svg('svg', {viewBox: `0 0 ${w} ${h}`, role: 'img', 'aria-label': label}, ...parts))
}

// ---- people

let compared = ''
async function drawPeople({people, whose}) {
  const names = Object.keys(people)
  $('people-box').hidden = names.filter(n => n != person).length == 0
  if ($('people-box').hidden) return
  const options = [['', 'everyone'], ...names.map(n => [n, `${n} (${people[n]})`])]
  if ($('whose').dataset.names != options.join()) {
    $('whose').dataset.names = options.join()
    $('whose').replaceChildren(...options.map(([value, text]) => make('option', {value, textContent: text})))
  }
  $('whose').value = whose
  const key = JSON.stringify(people)
  if (!$('people-box').open || key == compared) return
  compared = key
  const {pairs} = await ask('/compare')
  const ready = Object.values(people).filter(n => n >= 10).length > 1
  if (!pairs.length) compared = ''
  if (!pairs.length && ready) learn(700) // their orders are being fitted
  $('people').replaceChildren(...(pairs.length ? pairs.flatMap(apart)
    : [make('p', {className: 'soft', textContent: 'From 10 answers each you see here where two people disagree.'})]))
}
function apart({one, two, agree, images}) {
  const head = make('p', {textContent: `${one} and ${two} order ${percent(agree)} of pairs alike. Furthest apart:`})
  const items = images.map(([image, a, b]) => {
    const button = make('button', {type: 'button', title: `${one}: place ${a}, ${two}: place ${b}`},
      make('img', {src: picture(image, 160), alt: ''}))
    button.addEventListener('click', () => where(image))
    return make('li', {}, button, `${a} / ${b}`)
  })
  return [head, make('ol', {className: 'apart'}, ...items)]
}

// ---- where a picture stands

let standing = ''
async function where(image) {
  let found
  try { found = await ask('/where', {image}) } catch (e) { return say(e.message, true) }
  standing = image
  const [place, of] = [found.place, found.of].map(n => n.toLocaleString('en'))
  $('where-title').textContent = ordered ? `Place ${place} of ${of}: “${word}”` : 'No order yet'
  $('where-image').src = picture(image, 1024)
  const answers = found.answers ? count(found.answers, 'answer') : 'no answer yet'
  $('where-name').textContent = `${found.name}: ${answers}. Place 1 fits “${word}” best.`
  $('where-why').hidden = !mine
  if (mine) $('where-heat').src = `/why/${image}?${new URLSearchParams({word, v: mine})}`
  $('neighbours').replaceChildren(...[...found.weaker, image, ...found.stronger].map(other => {
    const button = make('button', {type: 'button', ariaLabel: other == image ? 'This picture' : 'A neighbour'},
      make('img', {src: picture(other, 160), alt: ''}))
    if (other == image) button.setAttribute('aria-current', 'true')
    button.addEventListener('click', () => where(other))
    return make('li', {}, button)
  }))
  if (!$('where').open) $('where').showModal()
}
async function flag(image, to) {
  if ($('where').open) $('where').close()
  try {
    const reply = await send('/flag', {image, to})
    take(reply)
    say(`${count(reply.asked, 'question')} about this picture come next.`)
    scrollTo({top: 0, behavior: calm ? 'auto' : 'smooth'})
  } catch (e) { say(e.message || 'The server does not answer.', true) }
}

// ---- dragging in the strip; on touch screens the dialog does the same

let drag = null
function dropAt(x) {
  const items = [...$('strip').children]
  return items.findLastIndex(li => li.getBoundingClientRect().left + li.offsetWidth / 2 <= x) + 1
}
function dragOver(e) {
  if (!drag) return
  if (!drag.ghost && Math.hypot(e.clientX - drag.x, e.clientY - drag.y) < 8) return
  if (!drag.ghost) {
    drag.ghost = make('img', {className: 'ghost', src: picture(drag.image, 160), alt: ''})
    document.body.append(drag.ghost)
    $('strip').classList.add('dragging')
  }
  drag.ghost.style.left = `${e.clientX}px`
  drag.ghost.style.top = `${e.clientY}px`
  const at = dropAt(e.clientX)
  ;[...$('strip').children].forEach((li, k) => li.classList.toggle('drop', k == at))
}
function dragEnd(e) {
  if (!drag) return
  const {ghost, image, from} = drag, at = dropAt(e.clientX), n = $('strip').children.length
  drag = null
  for (const li of $('strip').children) li.classList.remove('drop')
  $('strip').classList.remove('dragging')
  if (!ghost) return
  ghost.remove()
  moved = true
  setTimeout(() => { moved = false })
  const to = at > from ? at - 1 : at
  if (e.type == 'pointerup' && to != from) flag(image, to / Math.max(1, n - 1))
}
let moved = false

// ---- taking it away

async function save(way) {
  $('saved').textContent = 'Saving…'
  try {
    await send('/save', {way})
    let reply
    do { await pause(400); reply = await ask('/saves') } while (reply.saving)
    $('saved').textContent = reply.saved
  } catch (e) { $('saved').textContent = e.message }
}

// ---- keys, clicks, start

const keys = {
  ArrowLeft: () => choose('more'), ArrowRight: () => choose('less'), ArrowDown: () => choose('equal'),
  ' ': () => choose('equal'), x: () => choose('skip'), X: () => choose('skip'), Backspace: undo
}
document.addEventListener('keydown', e => {
  if (e.altKey || e.ctrlKey || e.metaKey || $('where').open) return
  if (e.key == 'Escape' && e.target.matches('input')) e.target.blur()
  if (e.target.matches('input, select, textarea')) return
  if (e.key == ' ' && e.target.matches('button:not(.side), summary, a')) return
  const act = keys[e.key]
  if (!act) return
  e.preventDefault()
  if (!e.repeat || e.key == 'Backspace') act()
})
function clicked(name, act) {
  const buttons = document.querySelectorAll(`[data-${name}]`)
  for (const b of buttons) b.addEventListener('click', () => act(b.dataset[name]))
}
function start() {
  for (const e of document.querySelectorAll('#word, .word')) e.textContent = word
  for (const a of document.querySelectorAll('[data-what]')) a.search = new URLSearchParams({word})
  clicked('choice', choose)
  clicked('save', save)
  clicked('to', to => flag(standing, to))
  $('undo').addEventListener('click', undo)
  $('where-close').addEventListener('click', () => $('where').close())
  $('where').addEventListener('click', e => { if (e.target == $('where')) $('where').close() })
  $('strip').addEventListener('click', e => {
    const li = e.target.closest('li')
    if (li && !moved) where(li.dataset.image)
  })
  $('strip').addEventListener('pointerdown', e => {
    const li = e.target.closest('li')
    if (!li || e.pointerType == 'touch' || e.button) return
    drag = {image: li.dataset.image, from: [...$('strip').children].indexOf(li), x: e.clientX, y: e.clientY}
    e.preventDefault()
  })
  addEventListener('pointermove', dragOver)
  addEventListener('pointerup', dragEnd)
  addEventListener('pointercancel', dragEnd)
  $('whose').addEventListener('change', async () => { take(await send('/whose', {whose: $('whose').value})); learn() })
  $('people-box').addEventListener('toggle', () => learn(0))
  for (const box of document.querySelectorAll('details')) {
    box.addEventListener('toggle', () => { if (box.open) box.scrollIntoView({block: 'nearest'}) })
  }
  clicked('remove', async old => {
    try {
      await send('/remove', {old})
      if (old == word) location.href = '/sort'
      else document.querySelector(`[data-remove="${CSS.escape(old)}"]`).parentElement.remove()
    } catch (e) { say(e.message, true) }
  })
  $('add-word').addEventListener('submit', async e => {
    e.preventDefault()
    try {
      const reply = await send('/word', {new: $('new-word').value})
      location.href = `/sort?${new URLSearchParams({word: reply.word})}`
    } catch (error) { say(error.message, true) }
  })
  let left = 0
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) left = performance.now()
    else { hidden += performance.now() - left; learn(0) }
  })
  let size = 0
  addEventListener('resize', () => { clearTimeout(size); size = setTimeout(refresh, 300) })
  deliverKept().then(refresh)
}
if ($('strip')) start()
