use bufslab::*;

#[test]
fn life_of_a_head() {
    let pool = SlabPool::builder().slab_size(4096).build().unwrap();
    let mut kept = Vec::new();
    for i in 0..100u32 {
        let mut buf = pool.alloc(4096);
        buf.put_slice(&[i as u8; 3000]);
        let read = buf.freeze();
        if i % 10 == 0 {
            kept.push(read.slice(100..120).tag("req.head"));
        }
    }
    let stats = pool.stats();
    assert_eq!(stats.pinned_slabs, 10, "{stats:?}");
    let t = std::thread::spawn(move || {
        for (i, head) in kept.iter().enumerate() {
            assert_eq!(head[..], [i as u8 * 10; 20]);
            let again = head.clone();
            assert_eq!(again, *head);
        }
        kept
    });
    let kept = t.join().unwrap();
    drop(kept);
    assert_eq!(pool.stats().pinned_slabs, 0, "{:?}", pool.stats());
    println!("{:?}", pool.stats());
}

#[test]
fn outlives() {
    let pool = SlabPool::new();
    let mut b = pool.alloc(100);
    b.put_slice(b"hello");
    let c = b.freeze();
    let d = c.clone();
    drop(pool);
    assert_eq!(c, d);
    std::thread::spawn(move || drop(c)).join().unwrap();
    assert_eq!(&d[..], b"hello");
    assert_eq!(size_of::<SlabBytes>(), 24);
    assert_eq!(size_of::<Option<SlabBytes>>(), 24);
    assert_eq!(size_of::<SlabBytesMut>(), 32);
}

#[test]
fn grow() {
    let pool = SlabPool::builder().slab_size(64).build().unwrap();
    let mut b = pool.alloc(0);
    for i in 0..1000u32 {
        b.put_u8(i as u8);
    }
    assert_eq!(b.len(), 1000);
    assert!(b.iter().enumerate().all(|(i, &x)| x == i as u8));
    let x = b.split_to(500);
    let y = b.clone();
    drop(b);
    assert_eq!(x.len() + y.len(), 1000);
}
