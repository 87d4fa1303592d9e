import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../lib/handling/batch';

test('a batch is full at its size', () => {
  const batch = new Batch<string>(2, 1000);
  batch.add('a', 10, 0);
  assert.equal(batch.isFull, false);
  batch.add('b', 10, 0);
  assert.equal(batch.isFull, true);
  assert.deepEqual(batch.take(), ['a', 'b']);
  assert.ok(batch.isEmpty);
});

test('a batch of one is full at once', () => {
  const batch = new Batch<string>(1, 1000);
  batch.add('a', 10, 0);
  assert.ok(batch.isFull);
});

test('a batch is due so long after its first item, however many come after', () => {
  const batch = new Batch<string>(10, 1000);
  batch.add('a', 10, 5000);
  batch.add('b', 10, 5900);
  assert.equal(batch.dueIn(5900), 100);
  assert.equal(batch.waited(5900), 900);
  assert.ok(batch.dueIn(6000) <= 0);
});

test('the wait begins anew with the first item of the next batch', () => {
  const batch = new Batch<string>(10, 1000);
  batch.add('a', 10, 0);
  batch.take();
  batch.add('b', 10, 5000);
  assert.equal(batch.dueIn(5000), 1000);
  assert.deepEqual(batch.take(), ['b']);
});

test('a batch knows the bytes of its items, until it is taken', () => {
  const batch = new Batch<string>(10, 1000);
  batch.add('a', 10, 0);
  batch.add('b', 25, 0);
  assert.equal(batch.bytes, 35);
  batch.take();
  assert.equal(batch.bytes, 0);
});
